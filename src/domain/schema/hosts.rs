//! Hosts that a notification must not be sent to: addresses and names inside the cluster, the node or the company.
//!
//! What a public name resolves to is known only when it is resolved; this catches what can be seen in the name.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::Host;

/// What kind of internal host this is, ready for a message; none for a public one.
pub(super) fn internal(host: &Host<String>) -> Option<&'static str> {
    match host {
        Host::Domain(name) => internal_name(name),
        Host::Ipv4(address) => internal_v4(*address),
        Host::Ipv6(address) => internal_v6(*address),
    }
}

/// Top-level names that no public server has; `example`, `test` and `invalid` lead nowhere and are left alone.
const INTERNAL_ENDINGS: &[(&str, &str)] = &[
    ("localhost", "a loopback name"),
    ("svc", "a name inside the cluster"),
    ("cluster", "a name inside the cluster"),
    ("pod", "a name inside the cluster"),
    ("default", "a name inside the cluster"),
    ("local", "a name of a local network"),
    ("localdomain", "a name of a local network"),
    ("internal", "a name of a private network"),
    ("intranet", "a name of a private network"),
    ("private", "a name of a private network"),
    ("corp", "a name of a private network"),
    ("home", "a name of a private network"),
    ("lan", "a name of a private network"),
    ("home.arpa", "a name of a private network"),
    ("metadata.goog", "a metadata service"),
    ("metadata.tencentyun.com", "a metadata service"),
    // Public names that resolve to whatever address is written into them, or to loopback.
    ("nip.io", "a name for any address"),
    ("sslip.io", "a name for any address"),
    ("xip.io", "a name for any address"),
    ("localtest.me", "a loopback name"),
    ("lvh.me", "a loopback name"),
    ("vcap.me", "a loopback name"),
    ("lacolhost.com", "a loopback name"),
];

fn internal_name(name: &str) -> Option<&'static str> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    for (ending, kind) in INTERNAL_ENDINGS {
        let is_below = |parent: &str| parent.is_empty() || parent.ends_with('.');
        if name.strip_suffix(ending).is_some_and(is_below) {
            return Some(kind);
        }
    }
    let Some((_, last)) = name.rsplit_once('.') else {
        return Some("a name without a domain");
    };
    // `broker.knative-eventing` reaches a Service through the search path of a Pod. Top-level domains are letters
    // only, or punycode.
    let is_top_level = last.starts_with("xn--") || last.bytes().all(|byte| byte.is_ascii_alphabetic());
    (!is_top_level).then_some("a name inside the cluster")
}

/// Everything that the IANA registry of special addresses does not call globally reachable, and two metadata services.
fn internal_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("an unspecified address"),
        [127, ..] => Some("a loopback address"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("a private address"),
        [100, 64..=127, ..] => Some("a carrier's private address"),
        // Azure's; Amazon's, Google's and others' is a link-local one.
        [169, 254, 169, 254] | [168, 63, 129, 16] => Some("the address of a metadata service"),
        [169, 254, ..] => Some("a link-local address"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("an address for documentation"),
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] => Some("a reserved address"),
        [224..=239, ..] => Some("a multicast address"),
        [240..=255, ..] => Some("a reserved address"),
        _ => None,
    }
}

fn internal_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(embedded) = embedded_v4(address) {
        return internal_v4(embedded);
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] => Some("the address of a metadata service"),
        [0xfc00..=0xfdff, ..] => Some("a private address"),
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        [0xfec0..=0xfeff, ..] => Some("a private address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Some("an address for documentation"),
        // Teredo and other protocol assignments.
        [0x2001, 0..=0x01ff, ..] => Some("a reserved address"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("a reserved address"),
    }
}

/// The IPv4 address that an IPv6 address stands for: where a gateway or the operating system would send it.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        // Mapped and translated; NAT64 with its well-known prefix.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => (high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        // 6to4.
        [0x2002, high, low, ..] => (high, low),
        // ISATAP, below any prefix.
        [_, _, _, _, 0 | 0x0200, 0x5efe, high, low] => (high, low),
        // The deprecated compatible form; `::` and `::1` are not of it.
        [0, 0, 0, 0, 0, 0, high, low] if high > 0 => (high, low),
        _ => return None,
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, expected: Option<&str>) {
        let parsed = Host::parse(host).unwrap_or_else(|error| panic!("{host}: {error}"));
        assert_eq!(internal(&parsed), expected, "{host}");
    }

    #[test]
    fn names_show_that_they_are_internal() {
        let cluster = Some("a name inside the cluster");
        let local = Some("a name of a local network");
        let private = Some("a name of a private network");
        check("localhost", Some("a loopback name"));
        check("LOCALHOST.", Some("a loopback name"));
        check("x.localhost", Some("a loopback name"));
        check("broker.ns.svc", cluster);
        check("broker.ns.svc.cluster.local", local);
        check("kubernetes.default", cluster);
        check("kubernetes.default.svc.", cluster);
        check("broker.knative-eventing", cluster);
        check("broker.ns1", cluster);
        check("kubernetes", Some("a name without a domain"));
        check("metadata", Some("a name without a domain"));
        check("metadata.google.internal", private);
        check("git.corp", private);
        check("printer.local", local);
        check("metadata.goog", Some("a metadata service"));
        check("10.0.0.1.nip.io", Some("a name for any address"));
        check("localtest.me", Some("a loopback name"));
        for public in [
            "example.com",
            "hooks.example",
            "notlocalhost.com",
            "svc.example.com",
            "mylocal.dev",
            "x.xn--p1ai",
            "api.github.com.",
        ] {
            check(public, None);
        }
    }

    #[test]
    fn ranges_end_where_they_end() {
        for (first, last, outside) in [
            ("10.0.0.0", "10.255.255.255", ["9.255.255.255", "11.0.0.0"]),
            ("172.16.0.0", "172.31.255.255", ["172.15.255.255", "172.32.0.0"]),
            ("100.64.0.0", "100.127.255.255", ["100.63.255.255", "100.128.0.0"]),
            ("192.168.0.0", "192.168.255.255", ["192.167.255.255", "192.169.0.0"]),
            ("169.254.0.0", "169.254.255.255", ["169.253.255.255", "169.255.0.0"]),
            ("198.18.0.0", "198.19.255.255", ["198.17.255.255", "198.20.0.0"]),
            ("127.0.0.0", "127.255.255.255", ["126.255.255.255", "128.0.0.0"]),
        ] {
            let kind = |text: &str| internal(&Host::parse(text).unwrap());
            assert!(kind(first).is_some() && kind(last).is_some(), "{first} to {last}");
            assert_eq!(outside.map(kind), [None, None], "around {first}");
        }
        check("224.0.0.1", Some("a multicast address"));
        check("255.255.255.255", Some("a reserved address"));
        check("0.0.0.0", Some("an unspecified address"));
        check("168.63.129.16", Some("the address of a metadata service"));
        check("8.8.8.8", None);
    }

    #[test]
    fn addresses_within_addresses_are_unwrapped() {
        let loopback = Some("a loopback address");
        let private = Some("a private address");
        for host in [
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[::ffff:0:127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[2002:7f00:1::]",
            "[2a00::5efe:127.0.0.1]",
            "[2a00::200:5efe:7f00:1]",
            "[0:0:0:0:0:0:0:1]",
        ] {
            check(host, loopback);
        }
        check("[::]", Some("an unspecified address"));
        check("[fd00:ec2::254]", Some("the address of a metadata service"));
        check("[::ffff:169.254.169.254]", Some("the address of a metadata service"));
        check("[fe80::1]", Some("a link-local address"));
        check("[fc00::1]", private);
        check("[fec0::1]", private);
        check("[64:ff9b::10.0.0.1]", private);
        check("[64:ff9b:1::1]", Some("a reserved address"));
        check("[2001::1]", Some("a reserved address"));
        check("[2001:db8::1]", Some("an address for documentation"));
        check("[100::1]", Some("a reserved address"));
        check("[ff02::1]", Some("a multicast address"));
        check("[64:ff9b::8.8.8.8]", None);
        check("[2606:4700::1111]", None);
        check("[2002:808:808::1]", None);
    }
}
