//! What holds for every Run, every review and every user: properties over cases that are drawn from the registry of a policy
//! set that uses the whole language, and over junk.
#![cfg(test)]

mod common;
#[path = "properties/draw.rs"]
mod draw;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use runstamp::domain::cause::Cause;
use runstamp::domain::decision::{Decision, Lineage, RemovalReason, ShadowOutcome};
use runstamp::domain::integration::field_of;
use runstamp::domain::policy_set::PolicySet;
use runstamp::domain::request::Options;
use runstamp::domain::words::{Place, Reaction};
use runstamp::review::{Stance, Webhook, answer, decide};
use serde_json::{Value, json};

use common::{assert_invariants, assert_one_line, assert_reply, files_below, patched_object, set_with, starter_set};
use draw::{Drawn, edits, json_value, pools, review_of, runs};

const BOTH: [Webhook; 2] = [Webhook::Mutate, Webhook::Validate];

/// The built-in policies, and every feature of the language.
static POLICIES: LazyLock<PolicySet> =
    LazyLock::new(|| set_with(&fs::read_to_string("tests/properties/policies.yaml").unwrap()));

/// The built-in and the starter policies.
static STARTER: LazyLock<PolicySet> = LazyLock::new(starter_set);

/// How often each thing happened, so that a generator that has gone lame fails the test.
#[derive(Debug, Default)]
struct Tally {
    reset: usize,
    injection: usize,
    provenance: usize,
    conflict: usize,
    refusal: usize,
    child: usize,
    copy: usize,
}

impl Tally {
    fn count(&mut self, decision: &Decision) {
        let removed = |reasons: &[RemovalReason]| decision.removed.iter().any(|one| reasons.contains(&one.reason));
        let conflicts = decision
            .skipped
            .iter()
            .filter(|skipped| skipped.reason.contains("onConflict"));
        self.reset += usize::from(removed(&[
            RemovalReason::State,
            RemovalReason::OnCopy,
            RemovalReason::Finalizer,
        ]));
        self.injection += usize::from(!decision.injected.is_empty());
        self.provenance += usize::from(removed(&[RemovalReason::Provenance]));
        self.conflict += usize::from(conflicts.count() > 0);
        self.refusal += usize::from(!decision.is_allowed());
        self.child += usize::from(decision.lineage == Some(Lineage::Child));
        self.copy += usize::from(decision.is_copy());
    }

    fn assert_enough(&self) {
        let counts = [
            self.reset,
            self.injection,
            self.provenance,
            self.conflict,
            self.refusal,
            self.child,
            self.copy,
        ];
        assert!(counts.iter().all(|count| *count >= 100), "too rare: {self:?}");
    }
}

#[test]
fn every_decision_about_a_drawn_run_holds_what_is_promised() {
    let tally = RefCell::new(Tally::default());
    let pools = pools(&POLICIES);
    check(1500, (runs(&pools), edits(&pools)), |(drawn, edits)| {
        let review = review_of(&drawn);
        let first = mutate_and_check(&review, &drawn);
        tally.borrow_mut().count(&first);
        if !first.is_allowed() {
            return;
        }
        let stored = patched(&review, &first);
        assert_validation(&review, &stored, &first);
        // Somebody takes the Run as it is stored now, changes it a little, and creates it again.
        let mut copy = stored.clone();
        edits.apply(&mut copy);
        let copy_review = review_of(&Drawn {
            object: copy.clone(),
            ..edits.request(&drawn)
        });
        let second = mutate_and_check(&copy_review, &drawn);
        tally.borrow_mut().count(&second);
        if second.lineage == Some(Lineage::Root) && second.is_allowed() {
            assert_derived_anew(&stored, &copy, &patched(&copy_review, &second), &second);
        }
    });
    tally.into_inner().assert_enough();
}

/// What a policy in Shadow mode is said to do is what it does when it acts.
#[test]
fn a_policy_in_shadow_mode_tells_what_it_does_when_it_acts() {
    let text = fs::read_to_string("tests/properties/policies.yaml").unwrap();
    let with_mode = |name: &str, mode: &str| {
        let header = format!("metadata: {{name: {name}}}\nspec:\n");
        assert!(text.contains(&header), "{name}");
        let plain = text.replace(&format!("{header}  mode: Shadow\n"), &header);
        set_with(&plain.replace(&header, &format!("{header}  mode: {mode}\n")))
    };
    let pools = pools(&POLICIES);
    let changes = RefCell::new(0);
    let refusals = RefCell::new(0);
    for name in ["github-status", "overwrite", "late", "strict", "shadow", "own-terms"] {
        let (trial, real) = (with_mode(name, "Shadow"), with_mode(name, "Enforce"));
        check(300, runs(&pools), |drawn| {
            let review = review_of(&drawn);
            let (told, before) = through(&review, &trial);
            let Some(before) = before else { return };
            let of_it = |decision: &Decision| -> Vec<ShadowOutcome> {
                let shadow = decision.shadow.iter().filter(|shadow| *shadow.policy == *name);
                shadow.cloned().collect()
            };
            let told: Vec<ShadowOutcome> = told.iter().flat_map(of_it).collect();
            let (done, after) = through(&review, &real);
            let would_refuse = told.iter().any(|shadow| shadow.outcome == "Violation");
            assert_eq!(would_refuse, after.is_none(), "{name}: {told:#?} {drawn:#?}");
            *refusals.borrow_mut() += usize::from(would_refuse);
            if after.is_none() {
                return;
            }
            let puts = told.iter().filter(|shadow| shadow.is_put());
            let puts: BTreeMap<String, Option<String>> = puts
                .map(|shadow| (shadow.field.to_string(), shadow.detail.clone()))
                .collect();
            let injected = done[0].injected.iter().filter(|injected| *injected.policy == *name);
            let changed: BTreeMap<String, Option<String>> = injected
                .filter(|injected| {
                    let map = if injected.place == Place::Label {
                        "labels"
                    } else {
                        "annotations"
                    };
                    before["metadata"][map][&injected.key] != *injected.value
                })
                .map(|injected| {
                    let field = field_of(injected.place, &injected.key).to_string();
                    (field, Some(injected.value.clone()))
                })
                .collect();
            assert_eq!(puts, changed, "{name}: {drawn:#?}");
            *changes.borrow_mut() += puts.len();
        });
    }
    let enough = (changes.into_inner() > 100, refusals.into_inner() > 20);
    assert_eq!(enough, (true, true));
}

/// The decisions of both webhooks, and the Run as it is stored where both allow it.
fn through(review: &Value, set: &PolicySet) -> (Vec<Decision>, Option<Value>) {
    let decide = |webhook, review: &Value| {
        let body = serde_json::to_vec(review).unwrap();
        decide(webhook, &body, set, Options::default()).unwrap().1
    };
    let mutated = decide(Webhook::Mutate, review);
    if !mutated.is_allowed() {
        return (vec![mutated], None);
    }
    let stored = patched(review, &mutated);
    let mut review = review.clone();
    review["request"]["object"] = stored.clone();
    let validated = decide(Webhook::Validate, &review);
    let is_allowed = validated.is_allowed();
    (vec![mutated, validated], is_allowed.then_some(stored))
}

#[test]
fn an_update_is_judged_by_what_changed_and_never_stops_a_controller() {
    let outcomes = RefCell::new(BTreeMap::<&str, usize>::new());
    let pools = pools(&POLICIES);
    check(1000, (runs(&pools), edits(&pools)), |(drawn, edits)| {
        let mut object = drawn.object.clone();
        edits.apply(&mut object);
        let request = edits.request(&drawn);
        let user = if edits.is_by_controller() {
            draw::PIPELINES_CONTROLLER.to_owned()
        } else {
            request.user.clone()
        };
        let mut review = review_of(&Drawn {
            object,
            user,
            ..request
        });
        review["request"]["operation"] = json!("UPDATE");
        review["request"]["oldObject"] = drawn.object.clone();
        let count = |what, counts: bool| *outcomes.borrow_mut().entry(what).or_default() += usize::from(counts);
        for webhook in BOTH {
            let body = serde_json::to_vec(&review).unwrap();
            let (subject, decision) = decide(webhook, &body, &POLICIES, Options::default()).unwrap();
            assert_invariants(webhook, &body, &POLICIES, &subject, &decision);
            assert_reply(webhook, &answer(webhook, &body, &POLICIES, Stance::default()).unwrap());
            let user = &*subject.user;
            let is_protected = user == draw::PIPELINES_CONTROLLER || POLICIES.is_writer(user);
            assert!(decision.is_allowed() || !is_protected, "{user} is never denied");
            count("refused", !decision.is_allowed());
            count("state was changed", !decision.state_updates.is_empty());
            count("a patch", !decision.patch.is_empty());
            // A Run in which nothing changed is never refused, whatever stands in it.
            let mut still = review.clone();
            still["request"]["object"] = still["request"]["oldObject"].clone();
            let body = serde_json::to_vec(&still).unwrap();
            let (_, decision) = decide(webhook, &body, &POLICIES, Options::default()).unwrap();
            assert!(decision.is_allowed() && decision.patch.is_empty(), "{still}");
            assert!(decision.violations.is_empty(), "{:?}", decision.violations);
        }
    });
    let outcomes = outcomes.into_inner();
    assert!(outcomes.values().all(|count| *count >= 30), "too rare: {outcomes:?}");
}

#[test]
fn any_json_in_a_recorded_review_gets_a_reply() {
    let recorded: Vec<Value> = files_below(Path::new("tests/reviews"), "json")
        .iter()
        .map(|file| serde_json::from_slice(&fs::read(file).unwrap()).unwrap())
        .collect();
    assert!(recorded.len() >= 40);
    let answered = RefCell::new(0_usize);
    let change = (any::<prop::sample::Index>(), 0..4_u8, json_value());
    let strategy = (any::<prop::sample::Index>(), prop::collection::vec(change, 1..4));
    check(1500, strategy, |(which, changes)| {
        let mut review = which.get(&recorded).clone();
        for (place, kind, value) in changes {
            change_node(&mut review, place, kind, value);
        }
        *answered.borrow_mut() += usize::from(assert_answered(&review));
    });
    let answered = answered.into_inner();
    assert!(answered >= 1000, "only {answered} of the reviews were reviews");
}

#[test]
fn any_json_as_an_object_gets_a_reply() {
    check(600, (json_value(), 0..3_u8), |(object, user)| {
        let user = [
            draw::PIPELINES_CONTROLLER,
            "alice",
            "system:serviceaccount:velero:velero",
        ][usize::from(user)];
        for operation in ["CREATE", "UPDATE", "DELETE"] {
            let mut review = review_of(&Drawn {
                object: object.clone(),
                user: user.to_owned(),
                ..Drawn::default()
            });
            review["request"]["operation"] = json!(operation);
            assert!(assert_answered(&review));
        }
    });
}

#[test]
fn any_bytes_get_a_reply_or_one_line() {
    let recorded = fs::read("tests/reviews/copied-run.mutate.json").unwrap();
    let strategy = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    check(300, (strategy, any::<prop::sample::Index>()), |(changes, cut)| {
        let mut body = recorded.clone();
        for (place, byte) in &changes {
            let place = place.index(body.len());
            body[place] = *byte;
        }
        if changes.len() % 2 == 1 {
            body.truncate(cut.index(body.len()));
        }
        for webhook in BOTH {
            match answer(webhook, &body, &STARTER, Stance::default()) {
                Ok(reply) => assert_reply(webhook, &reply),
                Err(error) => common::assert_one_line(&error.to_string()),
            }
        }
    });
}

#[test]
fn injection_never_fills_the_annotations_beyond_their_limit() {
    const LIMIT: usize = 256 * 1024;
    let mut outcomes = BTreeSet::new();
    for room in (0..600).step_by(10) {
        let filling = "x".repeat(LIMIT - "filling".len() - room);
        let review = review_of(&Drawn {
            object: json!({"kind": "PipelineRun", "metadata": {"annotations": {"filling": filling}}, "spec": {"params": [
                {"name": "url", "value": "https://github.com/acme/shop"},
                {"name": "revision", "value": "6c1f3a7be0d94c25a8f17b6d5e4c3b2a19087f6e"},
            ]}}),
            ..Drawn::default()
        });
        let body = serde_json::to_vec(&review).unwrap();
        let (subject, decision) = decide(Webhook::Mutate, &body, &STARTER, Options::default()).unwrap();
        assert_invariants(Webhook::Mutate, &body, &STARTER, &subject, &decision);
        let object = patched(&review, &decision);
        let annotations = object["metadata"]["annotations"].as_object().unwrap();
        let size = annotations
            .iter()
            .map(|(key, value)| key.len() + value.as_str().unwrap().len());
        assert!(size.sum::<usize>() <= LIMIT, "with room for {room} bytes");
        outcomes.insert(decision.injected.is_empty());
    }
    assert_eq!(outcomes.len(), 2, "some fit and some do not");
}

#[test]
fn a_later_webhook_that_meets_an_injected_value_causes_a_warning_and_no_refusal() {
    let mut review = review_of(&Drawn {
        object: json!({
            "kind": "PipelineRun",
            "metadata": {"generateName": "build-"},
            "spec": {"params": [
                {"name": "url", "value": "https://github.com/acme/shop"},
                {"name": "revision", "value": "6c1f3a7be0d94c25a8f17b6d5e4c3b2a19087f6e"},
            ]},
        }),
        ..Drawn::default()
    });
    let body = serde_json::to_vec(&review).unwrap();
    let (_, decision) = decide(Webhook::Mutate, &body, &POLICIES, Options::default()).unwrap();
    let context = "github.integrations.tekton.dev/context";
    assert!(decision.injected.iter().any(|injected| injected.key == context));
    let mut object = patched(&review, &decision);
    // Exclusive with the injected context.
    object["metadata"]["annotations"]["github.integrations.tekton.dev/name"] = json!("build");
    review["request"]["object"] = object;
    let body = serde_json::to_vec(&review).unwrap();
    let (_, decision) = decide(Webhook::Validate, &body, &POLICIES, Options::default()).unwrap();
    assert!(decision.is_allowed());
    let warned = decision
        .violations
        .iter()
        .filter(|violation| violation.reaction == Reaction::Warn);
    assert_eq!(warned.count(), 1, "{:?}", decision.violations);
}

/// Runs a property over drawn cases, the same ones every time.
fn check<S: Strategy>(cases: u32, strategy: S, property: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&strategy, |value| {
        property(value);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

fn mutate_and_check(review: &Value, drawn: &Drawn) -> Decision {
    let body = serde_json::to_vec(review).unwrap();
    let (subject, decision) = decide(Webhook::Mutate, &body, &POLICIES, Options::default()).unwrap();
    assert_invariants(Webhook::Mutate, &body, &POLICIES, &subject, &decision);
    assert_reply(
        Webhook::Mutate,
        &answer(Webhook::Mutate, &body, &POLICIES, Stance::default()).unwrap(),
    );
    assert_minimal(review, &decision);
    let explained = Options {
        explain: true,
        ..Options::default()
    };
    let (_, explained) = decide(Webhook::Mutate, &body, &POLICIES, explained).unwrap();
    assert_eq!(explained.patch, decision.patch, "asking why changes nothing: {drawn:?}");
    assert_eq!(explained.violations, decision.violations);
    assert_eq!(explained.notices, decision.notices);
    assert_eq!(explained.shadow, decision.shadow);
    for event in explained.trace.iter().flat_map(|trace| &trace.events) {
        assert_one_line(&event.to_string());
    }
    decision
}

/// No operation of the patch could be left out.
fn assert_minimal(review: &Value, decision: &Decision) {
    if decision.patch.is_empty() {
        return;
    }
    let whole = patched_object(review, decision);
    assert_ne!(whole, review["request"]["object"], "a patch changes something");
    let patch: json_patch::Patch = serde_json::from_value(serde_json::to_value(&decision.patch).unwrap()).unwrap();
    for position in 0..patch.0.len() {
        let mut less = patch.clone();
        let left_out = less.0.remove(position);
        let mut object = review["request"]["object"].clone();
        if json_patch::patch(&mut object, &less).is_ok() {
            assert_ne!(object, whole, "{left_out:?} does nothing");
        }
    }
}

/// Nothing that Runstamp wrote is the only cause of a refusal.
fn assert_validation(review: &Value, stored: &Value, mutation: &Decision) {
    let with_ours = causes(review, stored);
    let mut without_ours = stored.clone();
    for injected in &mutation.injected {
        let key = &injected.key;
        let map = format!("{}s", injected.place.word().to_ascii_lowercase());
        let before = review["request"]["object"]["metadata"][&map].get(key).cloned();
        if let Some(now) = without_ours["metadata"][&map].as_object_mut() {
            match before {
                Some(before) => now.insert(key.clone(), before),
                None => now.remove(key),
            };
        }
    }
    if let Some(annotations) = without_ours["metadata"]["annotations"].as_object_mut() {
        annotations.remove("runstamp.dev/injected");
    }
    let without_ours = causes(review, &without_ours);
    let ours: Vec<_> = with_ours.difference(&without_ours).collect();
    assert!(ours.is_empty(), "refused for what was injected: {ours:?}");
}

fn causes(review: &Value, object: &Value) -> BTreeSet<Cause> {
    let body = common::with_object(review, object.clone());
    let (subject, decision) = decide(Webhook::Validate, &body, &POLICIES, Options::default()).unwrap();
    assert_invariants(Webhook::Validate, &body, &POLICIES, &subject, &decision);
    decision.causes().map(|violation| violation.cause.clone()).collect()
}

/// What was injected into the Run that was copied is gone from the copy, unless it was derived again or edited.
fn assert_derived_anew(stored: &Value, copy: &Value, result: &Value, decision: &Decision) {
    let annotations = |object: &Value, key: &str| object["metadata"]["annotations"][key].clone();
    let record = annotations(stored, "runstamp.dev/injected");
    let Some(record) = record.as_str() else { return };
    // Owner, repository and commit are one group: with one of them edited, all are the user's.
    let group = ["owner", "repo", "sha", "commit"].map(|name| format!("github.integrations.tekton.dev/{name}"));
    let is_edited = group
        .iter()
        .any(|key| annotations(copy, key) != annotations(stored, key));
    let record_is_as_it_was = annotations(copy, "runstamp.dev/injected") == *record;
    let entries: BTreeMap<String, String> = serde_json::from_str(record).expect("the record is an object of texts");
    for (key, entry) in entries
        .iter()
        .filter(|(key, _)| !key.starts_with("label:") && *key != "@copy")
    {
        let was_overwritten = entry.splitn(3, '/').count() == 3;
        let is_as_it_was = annotations(copy, key) == annotations(stored, key);
        if is_edited && group.contains(key) {
            continue;
        }
        let stays = annotations(result, key) == annotations(stored, key) && !annotations(stored, key).is_null();
        if is_as_it_was && record_is_as_it_was && stays && !was_overwritten {
            // Kept where another key of the Run needs it, and then the client is told.
            let kept = format!("kept metadata.annotations[{key}], ");
            assert!(
                decision.injected.iter().any(|injected| injected.key == *key)
                    || decision.notices.iter().any(|notice| notice.starts_with(&kept)),
                "{key} was carried on from the Run that was copied"
            );
        }
    }
}

fn patched(review: &Value, decision: &Decision) -> Value {
    if decision.patch.is_empty() {
        review["request"]["object"].clone()
    } else {
        patched_object(review, decision)
    }
}

/// Whether the JSON is a review; if it is, it gets a reply with its uid from both webhooks.
fn assert_answered(review: &Value) -> bool {
    let uid = review["request"]["uid"].as_str().filter(|uid| !uid.is_empty());
    let is_review = review["apiVersion"] == "admission.k8s.io/v1" && review["kind"] == "AdmissionReview";
    let body = serde_json::to_vec(review).unwrap();
    for (webhook, set) in BOTH.into_iter().zip([&*POLICIES, &*STARTER]) {
        match answer(webhook, &body, set, Stance::default()) {
            Ok(reply) => {
                assert_eq!(Some(&*reply.subject.uid), uid);
                assert_reply(webhook, &reply);
                let (subject, decision) = decide(webhook, &body, set, Options::default()).unwrap();
                assert_invariants(webhook, &body, set, &subject, &decision);
            }
            Err(error) => {
                assert!(uid.is_none() || !is_review, "no reply to {uid:?}: {error}");
                common::assert_one_line(&error.to_string());
            }
        }
    }
    uid.is_some() && is_review
}

/// Replaces, removes or repeats one node of the document, or gives it one more.
fn change_node(document: &mut Value, place: prop::sample::Index, kind: u8, value: Value) {
    let mut pointers = Vec::new();
    collect_pointers(document, String::new(), &mut pointers);
    let Some(pointer) = (!pointers.is_empty()).then(|| place.get(&pointers).clone()) else {
        return;
    };
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/").replace("~0", "~");
    let Some(parent) = document.pointer_mut(parent) else {
        return;
    };
    match parent {
        Value::Object(map) => match kind {
            0 => drop(map.remove(&last)),
            1 => drop(map.insert(format!("{last}2"), value)),
            _ => drop(map.insert(last, value)),
        },
        Value::Array(list) => {
            let index: usize = last.parse().unwrap();
            match kind {
                0 => drop(list.remove(index)),
                1 => list.insert(index, list[index].clone()),
                _ => list[index] = value,
            }
        }
        _ => unreachable!("only lists and objects have parts"),
    }
}

fn collect_pointers(value: &Value, here: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let below = format!("{here}/{}", key.replace('~', "~0").replace('/', "~1"));
                pointers.push(below.clone());
                collect_pointers(inner, below, pointers);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                let below = format!("{here}/{index}");
                pointers.push(below.clone());
                collect_pointers(inner, below, pointers);
            }
        }
        _ => {}
    }
}
