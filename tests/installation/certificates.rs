//! The certificates that an installation keeps: what is asked of it, and when it is done.

use std::collections::BTreeSet;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::installation::stage::{Installation, NAMESPACE, expect, wait_until};
use crate::support::control_plane::User;

const SECRET: &str = "/api/v1/namespaces/runstamp/secrets/runstamp-certificates";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/runstamp/leases";
const ROTATE: &str = "runstamp.dev/rotate";

/// What an administrator may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A new serving certificate.
    Renewal,
    /// A new authority.
    Rotation,
}

/// A wish, and what was there before.
#[derive(Debug)]
pub(crate) struct Asked {
    wish: Wish,
    before: Held,
}

/// What the Secret holds.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    certificate: String,
    /// Those that clients are told to trust.
    authorities: BTreeSet<String>,
    is_asked: bool,
}

impl Installation {
    /// Asks as an administrator does, by an annotation.
    pub(crate) fn ask_for(&self, wish: Wish) -> Asked {
        let before = self.held().unwrap();
        let word = match wish {
            Wish::Renewal => "certificate",
            Wish::Rotation => "authority",
        };
        let patch = json!({ "metadata": { "annotations": { ROTATE: word } } });
        let merge = "application/merge-patch+json";
        let answer = self
            .plane()
            .request(&User::Admin, Method::PATCH, SECRET, merge, Some(&patch))
            .unwrap();
        assert!(answer.is_success(), "{answer:#?}");
        Asked { wish, before }
    }

    /// Waits until every replica shows what was asked for, and nothing that it replaces is trusted.
    pub(crate) fn wait_until_granted(&self, asked: &Asked) {
        wait_until("the certificates are as they were asked for", || {
            let held = self.held()?;
            let is_new = match asked.wish {
                Wish::Renewal => held.certificate != asked.before.certificate,
                Wish::Rotation => {
                    held.authorities.len() == 1 && held.authorities.is_disjoint(&asked.before.authorities)
                }
            };
            expect(
                is_new && !held.is_asked,
                &(asked.wish, held.authorities.len(), held.is_asked),
            )?;
            let shown = self.shown()?;
            expect(shown.len() == 1, &shown)
        });
    }

    fn held(&self) -> Result<Held, String> {
        let secret = self.read(SECRET)?;
        let data = |key: &str| {
            let value = secret["data"][key]
                .as_str()
                .and_then(|value| STANDARD.decode(value).ok());
            value
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .unwrap_or_default()
        };
        let bundle = data("ca.crt");
        let authorities = bundle.split_inclusive("-----END CERTIFICATE-----\n");
        Ok(Held {
            certificate: data("tls.crt"),
            authorities: authorities.map(|one| one.trim().to_owned()).collect(),
            is_asked: secret["metadata"]["annotations"].get(ROTATE).is_some(),
        })
    }

    /// The certificates that the replicas say they show.
    fn shown(&self) -> Result<BTreeSet<String>, String> {
        let leases = self.read(LEASES)?;
        let mut shown = BTreeSet::new();
        for replica in self.replicas() {
            let is_its = |lease: &&Value| lease["metadata"]["name"] == replica.name.as_str();
            let lease = leases["items"].as_array().into_iter().flatten().find(is_its);
            let lease = lease.ok_or_else(|| format!("{} has no Lease in {NAMESPACE}", replica.name))?;
            let certificate = lease["metadata"]["annotations"]["runstamp.dev/certificate"].as_str();
            shown.insert(certificate.unwrap_or_default().to_owned());
        }
        Ok(shown)
    }

    fn read(&self, path: &str) -> Result<Value, String> {
        let answer = self
            .plane()
            .request(&User::Admin, Method::GET, path, "application/json", None);
        let answer = answer.map_err(|error| format!("{error:#}"))?;
        expect(answer.is_success(), &answer)?;
        Ok(answer.body)
    }
}
