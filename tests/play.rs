//! `runstamp play`: what the server lets in, what it answers, and the page itself in a real browser.
#![cfg(test)]

#[path = "play/browser.rs"]
mod browser;
#[path = "play/chromium.rs"]
mod chromium;
mod common;
#[path = "play/endpoints.rs"]
mod endpoints;
#[path = "play/served.rs"]
mod served;
