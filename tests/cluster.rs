//! Stories on a real API server: what people and controllers do, and what is stored.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in tests a panic is the report"
)]

mod support {
    pub(crate) mod control_plane;
}

use support::control_plane::{ControlPlane, Start, User};

#[test]
fn smoke() {
    let Start::Running(plane) = ControlPlane::start().unwrap() else { panic!("missing") };
    let answer = plane.kubectl(&User::Admin, &["version"], "").unwrap();
    println!("{answer:?} {}", plane.folder().display());
    let answer = plane
        .request(&User::Person("alice"), axum::http::Method::GET, "/apis/tekton.dev/v1/pipelineruns", "application/json", None)
        .unwrap();
    println!("{answer:?}");
}
