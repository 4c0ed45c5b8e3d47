//! What is to be done next with the certificates of an installation: one step at a time, by whichever replica is first.
//!
//! An authority is replaced with overlap. The new one is announced: clients trust both. When they have had time to
//! notice, it signs, and every replica shows the new certificate. When all of them do, the old one is forgotten.

use super::Lifetimes;
use super::material::{Material, issue, new_authority};
use crate::cert::{Authority, CertificateError};

/// What somebody has asked for, by the annotation `runstamp.dev/rotate` of the Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A new serving certificate.
    Certificate,
    /// A new authority, and a certificate signed by it.
    Authority,
}

impl Request {
    /// Reads the value of the annotation.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "certificate" => Some(Self::Certificate),
            "authority" => Some(Self::Authority),
            _ => None,
        }
    }
}

/// What a replica sees.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The DNS name that clients call.
    pub host: &'a str,
    /// The present moment, in seconds since 1970.
    pub now: i64,
    /// What somebody has asked for.
    pub request: Option<Request>,
    /// Whether every authority of the bundle has been published for so long that clients trust it.
    pub is_trusted: bool,
    /// Whether every replica has been showing the certificate for so long that no handshake with another is under way.
    pub is_served_by_all: bool,
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing is due.
    Rest,
    /// Sign a new serving certificate with the same authority.
    Renew,
    /// Make the next authority and publish it beside the present one.
    Announce,
    /// Let the next authority sign.
    Switch,
    /// Trust the authorities of the past no longer.
    Forget,
}

impl Step {
    /// Whether this step is what was asked for, so that the request is fulfilled when it is done.
    pub fn fulfils(self, request: Request) -> bool {
        match request {
            Request::Certificate => self == Self::Renew,
            Request::Authority => self == Self::Announce,
        }
    }
}

/// What is to be done now.
pub fn next_step(material: &Material, situation: &Situation<'_>) -> Step {
    let now = situation.now;
    let authority = material.authority_validity();
    let has_ended = authority.is_none_or(|validity| validity.end <= now);
    let is_announced = material.next.is_some();
    if is_announced && (situation.is_trusted || has_ended) {
        // Nothing that an authority signs after its end is accepted, so there is nothing to wait for.
        return Step::Switch;
    }
    if has_ended {
        return Step::Announce;
    }
    if !material.is_fit(situation.host, now) || is_renewable(material, now) {
        return Step::Renew;
    }
    if is_announced {
        return Step::Rest;
    }
    if situation.request == Some(Request::Certificate) {
        return Step::Renew;
    }
    if !material.previous.is_empty() {
        // One rotation after the other: a second one waits until the first is forgotten.
        let is_over = situation.is_trusted && situation.is_served_by_all;
        return if is_over { Step::Forget } else { Step::Rest };
    }
    let is_due = authority.is_none_or(|validity| validity.renewal() <= now);
    if is_due || situation.request == Some(Request::Authority) {
        return Step::Announce;
    }
    Step::Rest
}

/// Whether a replica may show what the Secret holds: the first certificate at once, since without one it shows nothing;
/// another one when clients trust who signed it.
pub fn may_show(shows_one: bool, is_trusted: bool) -> bool {
    !shows_one || is_trusted
}

/// Whether a certificate is due, and a new one would hold for longer.
fn is_renewable(material: &Material, now: i64) -> bool {
    let (Some(leaf), Some(authority)) = (material.leaf_validity(), material.authority_validity()) else {
        return true;
    };
    leaf.renewal() <= now && leaf.end < authority.end
}

/// Takes a step.
///
/// # Errors
/// When no certificate can be made.
pub fn take(
    step: Step,
    material: Material,
    host: &str,
    now: i64,
    lifetimes: Lifetimes,
) -> Result<Material, CertificateError> {
    match step {
        Step::Rest => Ok(material),
        Step::Renew => {
            let leaf = issue(&material.authority, host, now, lifetimes)?;
            Ok(Material { leaf, ..material })
        }
        Step::Announce => {
            let next = Some(new_authority(now, lifetimes)?);
            Ok(Material { next, ..material })
        }
        Step::Switch => switch(material, host, now, lifetimes),
        Step::Forget => Ok(Material {
            previous: Vec::new(),
            ..material
        }),
    }
}

fn switch(material: Material, host: &str, now: i64, lifetimes: Lifetimes) -> Result<Material, CertificateError> {
    let Material {
        authority: old,
        next,
        mut previous,
        leaf,
    } = material;
    let Some(authority) = next else {
        return Ok(Material {
            authority: old,
            next: None,
            previous,
            leaf,
        });
    };
    let leaf = issue(&authority, host, now, lifetimes)?;
    previous.insert(0, Authority::certificate(&old).to_owned());
    Ok(Material {
        authority,
        next: None,
        previous,
        leaf,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{ServingPair, verify_serving};

    const HOST: &str = "runstamp.runstamp.svc";
    const NOW: i64 = 1_790_000_000;
    const HOUR: i64 = 3_600;
    const DAY: i64 = 24 * HOUR;

    /// How long clients take to notice what is published, and how long a replica may be behind.
    const DELAY: i64 = 2 * DAY;

    fn situation(now: i64) -> Situation<'static> {
        Situation {
            host: HOST,
            now,
            request: None,
            is_trusted: true,
            is_served_by_all: true,
        }
    }

    fn fresh() -> Material {
        Material::create(HOST, NOW, Lifetimes::default(), &[]).unwrap()
    }

    /// Takes the steps that follow one another at one moment, and names them.
    fn steps(mut material: Material, situation: Situation<'_>) -> (Material, Vec<Step>) {
        let mut taken = Vec::new();
        let mut situation = situation;
        loop {
            let step = next_step(&material, &situation);
            if step == Step::Rest {
                return (material, taken);
            }
            assert!(taken.len() < 10, "steps without end: {taken:?}");
            if situation.request.is_some_and(|request| step.fulfils(request)) {
                situation.request = None;
            }
            material = take(step, material, situation.host, situation.now, Lifetimes::default()).unwrap();
            taken.push(step);
        }
    }

    #[track_caller]
    fn check(situation: Situation<'_>, expected: &[Step]) -> Material {
        let (material, taken) = steps(fresh(), situation);
        assert_eq!(taken, expected, "{situation:?}");
        material
    }

    #[test]
    fn what_is_new_rests() {
        check(situation(NOW), &[]);
        check(situation(NOW + 59 * DAY), &[]);
    }

    #[test]
    fn a_certificate_is_renewed_at_two_thirds() {
        let material = check(situation(NOW + 60 * DAY + HOUR), &[Step::Renew]);
        assert!(material.is_fit(HOST, NOW + 149 * DAY));
    }

    #[test]
    fn a_certificate_for_another_name_is_renewed() {
        let material = Material::create("other.example", NOW, Lifetimes::default(), &[]).unwrap();
        let (material, taken) = steps(material, situation(NOW));
        assert_eq!(taken, [Step::Renew]);
        assert!(material.is_fit(HOST, NOW));
    }

    #[test]
    fn an_authority_is_replaced_with_overlap() {
        let due = NOW + 2 * 365 * DAY + DAY;
        let rotation = [Step::Announce, Step::Switch, Step::Forget];
        let renewed = [Step::Renew, Step::Announce, Step::Switch, Step::Forget];
        check(situation(due), &renewed);
        let asked = Situation {
            request: Some(Request::Authority),
            ..situation(NOW)
        };
        check(asked, &rotation);
        let unpublished = Situation {
            is_trusted: false,
            ..asked
        };
        check(unpublished, &rotation[..1]);
        let somebody_lags = Situation {
            is_served_by_all: false,
            ..asked
        };
        check(somebody_lags, &rotation[..2]);
    }

    #[test]
    fn after_years_of_sleep_everything_is_new_and_valid() {
        let late = NOW + 10 * 365 * DAY;
        let material = check(
            Situation {
                is_trusted: false,
                ..situation(late)
            },
            &[Step::Announce, Step::Switch],
        );
        assert!(material.is_fit(HOST, late));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let asked = Situation {
            request: Some(Request::Authority),
            is_served_by_all: false,
            ..situation(NOW)
        };
        let (material, _) = steps(fresh(), asked);
        let again = Material::read(&material.write()).unwrap();
        assert_eq!(again.write(), material.write());
        assert_eq!(again.previous.len(), 1);
        let bundle = String::from_utf8(material.write()["ca.crt"].clone()).unwrap();
        assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 2);
    }

    #[test]
    fn what_is_broken_is_said() {
        #[track_caller]
        fn check(change: impl Fn(&mut std::collections::BTreeMap<String, Vec<u8>>), expected: &str) {
            let mut data = fresh().write();
            change(&mut data);
            assert_eq!(Material::read(&data).expect_err("unfit").to_string(), expected);
        }
        check(
            |data| {
                data.remove("authority.key");
            },
            "expected the key authority.key in the Secret, found none",
        );
        check(
            |data| {
                data.insert("authority.crt".to_owned(), vec![0xff, 0xfe]);
            },
            "the key authority.crt of the Secret holds no text",
        );
        check(
            |data| {
                data.insert("authority.key".to_owned(), fresh().write()["authority.key"].clone());
            },
            "the authority in authority.crt of the Secret cannot be used",
        );
        // A certificate that is none is simply renewed.
        let mut data = fresh().write();
        data.insert("tls.crt".to_owned(), b"none".to_vec());
        let (material, taken) = steps(Material::read(&data).unwrap(), situation(NOW));
        assert_eq!(taken, [Step::Renew]);
        assert!(material.is_fit(HOST, NOW));
    }

    /// Replicas that look at the cluster now and then, each at its own pace, and an API server that notices what is
    /// published only after a while.
    #[test]
    fn years_go_by_and_every_handshake_succeeds() {
        struct Replica {
            /// In ticks of six hours.
            every: i64,
            shown: ServingPair,
        }
        let mut material = fresh();
        let mut published = (material.bundle(), NOW);
        let mut trusted = published.0.clone();
        let mut served_since = NOW;
        let mut replicas: Vec<Replica> = [1, 2, 5]
            .map(|every| Replica {
                every,
                shown: material.pair().unwrap(),
            })
            .into();
        let (mut renewals, mut rotations) = (0, 0);
        for tick in 0..5 * 365 * 4 {
            let now = NOW + tick * 6 * HOUR;
            if now - published.1 >= DELAY {
                trusted.clone_from(&published.0);
            }
            for index in 0..replicas.len() {
                if tick % replicas[index].every != 0 {
                    continue;
                }
                if published.0 != material.bundle() {
                    published = (material.bundle(), now);
                }
                let is_trusted = now - published.1 > DELAY;
                if may_show(true, is_trusted) {
                    replicas[index].shown = material.pair().unwrap();
                }
                let current = material.pair().unwrap();
                if replicas.iter().any(|replica| !replica.shown.shows_the_same(&current)) {
                    served_since = now;
                }
                let situation = Situation {
                    // An admin who rotates everything once a year.
                    request: (tick % (365 * 4) == 100).then_some(Request::Authority),
                    is_trusted,
                    is_served_by_all: now - served_since > DELAY,
                    ..situation(now)
                };
                let step = next_step(&material, &situation);
                renewals += usize::from(step == Step::Renew);
                rotations += usize::from(step == Step::Forget);
                if step != Step::Rest {
                    material = take(step, material, HOST, now, Lifetimes::default()).unwrap();
                }
                if step != Step::Rest {
                    served_since = now;
                }
            }
            for replica in &replicas {
                let accepted = verify_serving(&replica.shown, trusted.as_bytes(), HOST, now);
                assert!(accepted.is_ok(), "tick {tick}: {accepted:?}");
            }
        }
        assert!(
            renewals > 20 && rotations >= 5,
            "{renewals} renewals, {rotations} rotations"
        );
    }
}
