//! The certificates that an installation keeps: what is asked of it, and when it is done.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use serde_json::{Value, json};

use crate::installation::stage::{Installation, NAMESPACE, expect, wait_until};
use crate::support::control_plane::User;

const SECRET: &str = "/api/v1/namespaces/runstamp/secrets/runstamp-certificates";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/runstamp/leases";
const CONFIGURATIONS: [&str; 2] = [
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/runstamp.dev",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/runstamp.dev",
];
const JSON: &str = "application/json";
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
pub(crate) struct Held {
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

    /// Deletes the Secret; what it held.
    pub(crate) fn delete_secret(&self) -> Held {
        let before = self.held().unwrap();
        let answer = self
            .plane()
            .request(&User::Admin, Method::DELETE, SECRET, JSON, None)
            .unwrap();
        assert!(answer.is_success(), "{answer:#?}");
        before
    }

    /// Waits until the Secret is there and holds this.
    pub(crate) fn wait_until_held(&self, expected: &Held) {
        wait_until("the Secret holds what it held", || {
            expect(self.held()? == *expected, &"the Secret holds something else")
        });
    }

    /// Empties the caBundle of every entry.
    pub(crate) fn empty_bundles(&self) {
        for path in CONFIGURATIONS {
            let configuration = self.read(path).unwrap();
            let entries = configuration["webhooks"].as_array().unwrap().len();
            let operation =
                |index| json!({ "op": "add", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": "" });
            let patch = Value::Array((0..entries).map(operation).collect());
            let kind = "application/json-patch+json";
            let answer = self
                .plane()
                .request(&User::Admin, Method::PATCH, path, kind, Some(&patch))
                .unwrap();
            assert!(answer.is_success(), "{answer:#?}");
        }
    }

    /// Waits until every entry has a caBundle.
    pub(crate) fn wait_until_published(&self) {
        wait_until("every entry has a caBundle", || {
            for path in CONFIGURATIONS {
                let configuration = self.read(path)?;
                for entry in configuration["webhooks"].as_array().unwrap() {
                    let bundle = entry["clientConfig"]["caBundle"].as_str().unwrap_or_default();
                    expect(!bundle.is_empty(), &entry["name"])?;
                }
            }
            Ok(())
        });
    }

    /// The Lease of a replica that was killed counts for half a minute with every replica that starts after it, and
    /// no rotation ends meanwhile. One story need not wait for what another has done.
    pub(crate) fn remove_leases_of_the_dead(&self) {
        let leases = self.read(LEASES).unwrap();
        for lease in leases["items"].as_array().into_iter().flatten() {
            let name = lease["metadata"]["name"].as_str().unwrap();
            if !self.replicas().iter().any(|replica| replica.name == name) {
                let path = format!("{LEASES}/{name}");
                self.plane()
                    .request(&User::Admin, Method::DELETE, &path, JSON, None)
                    .unwrap();
            }
        }
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
        let answer = self.plane().request(&User::Admin, Method::GET, path, JSON, None);
        let answer = answer.map_err(|error| format!("{error:#}"))?;
        expect(answer.is_success(), &answer)?;
        Ok(answer.body)
    }
}
