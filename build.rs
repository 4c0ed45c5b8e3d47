//! Embedded files belong to the binary: one that is added to their folders must build it again.

fn main() {
    println!("cargo::rerun-if-changed=policies");
    println!("cargo::rerun-if-changed=manifests");
    println!("cargo::rerun-if-changed=src/play/page");
}
