//! Every replica is down. What else holds then is told in `tests/cluster/children.rs` and `tests/cluster/lifecycle.rs`.
