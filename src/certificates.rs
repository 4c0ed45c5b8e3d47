//! Certificates that an installation keeps for itself: what its Secret holds, and what is to be done next.
//!
//! All replicas serve one certificate, signed by one authority. Nothing here touches a cluster or a clock: the present
//! moment and what was seen of the cluster are arguments, so that a test can let years pass.

mod material;
mod rotation;

pub use material::{Material, Unfit, certificates_in};
pub use rotation::{Request, Situation, Step, may_show, next_step, take};

/// How long things hold, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Of an authority.
    pub authority: i64,
    /// Of a serving certificate.
    pub certificate: i64,
}

impl Default for Lifetimes {
    /// Three years and ninety days: renewed at two thirds, that is every two years and every two months.
    fn default() -> Self {
        const DAY: i64 = 24 * 60 * 60;
        Self {
            authority: 3 * 365 * DAY,
            certificate: 90 * DAY,
        }
    }
}
