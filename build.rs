//! Embedded policy files belong to the binary: a file that is added to their folders must build it again.

fn main() {
    println!("cargo::rerun-if-changed=policies");
}
