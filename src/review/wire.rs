//! Reading a review: once and whole where it is what the API server sends, and step by step less where it is not, so that the uid is answered.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{MaybeText, NotAReview, Objects};
use crate::domain::json_reader::{self, RawJson};
use crate::domain::request::{Operation, User};
use crate::domain::run::{CowStr, Object, Run};
use crate::domain::words::RunKind;

/// Group of the Runs.
const TEKTON_GROUP: &str = "tekton.dev";

/// What a review says.
pub(super) struct Wire<'a> {
    pub(super) uid: CowStr<'a>,
    kind: Kind<'a>,
    operation: CowStr<'a>,
    pub(super) sub_resource: MaybeText<'a>,
    pub(super) name: MaybeText<'a>,
    pub(super) namespace: MaybeText<'a>,
    pub(super) user: User<'a>,
    pub(super) user_uid: CowStr<'a>,
    pub(super) dry_run: bool,
    /// The error says in a sentence why an object cannot be read.
    pub(super) objects: Result<Objects<'a>, String>,
}

impl Wire<'_> {
    /// The kind of Run; nothing where the object is none.
    pub(super) fn run_kind(&self) -> Option<RunKind> {
        if &*self.kind.group == TEKTON_GROUP {
            RunKind::from_word(&self.kind.kind)
        } else {
            None
        }
    }

    pub(super) fn operation(&self) -> Option<Operation> {
        match &*self.operation {
            "CREATE" => Some(Operation::Create),
            "UPDATE" => Some(Operation::Update),
            "DELETE" => Some(Operation::Delete),
            "CONNECT" => Some(Operation::Connect),
            _ => None,
        }
    }
}

/// A review whose request is read as `R`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "R: Deserialize<'de>"))]
struct Review<'a, R> {
    #[serde(borrow)]
    api_version: CowStr<'a>,
    #[serde(borrow)]
    kind: CowStr<'a>,
    request: Object<R>,
}

/// A request whose objects are read as `O`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
struct WireRequest<'a, O> {
    #[serde(borrow)]
    uid: CowStr<'a>,
    #[serde(borrow, default)]
    kind: Object<Kind<'a>>,
    #[serde(borrow, default)]
    sub_resource: MaybeText<'a>,
    #[serde(borrow, default)]
    name: MaybeText<'a>,
    #[serde(borrow, default)]
    namespace: MaybeText<'a>,
    #[serde(borrow, default)]
    operation: CowStr<'a>,
    #[serde(borrow, default)]
    user_info: Object<UserInfo<'a>>,
    #[serde(default = "nothing")]
    object: Option<O>,
    #[serde(default = "nothing")]
    old_object: Option<O>,
    #[serde(default)]
    dry_run: Option<bool>,
}

/// `Option`'s default asks nothing of what it holds; serde's attribute does.
fn nothing<O>() -> Option<O> {
    None
}

#[derive(Default, Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default)]
    group: CowStr<'a>,
    #[serde(borrow, default)]
    kind: CowStr<'a>,
}

#[derive(Default, Deserialize)]
struct UserInfo<'a> {
    #[serde(borrow, default)]
    username: CowStr<'a>,
    #[serde(borrow, default)]
    uid: MaybeText<'a>,
    #[serde(borrow, default)]
    groups: Option<Vec<CowStr<'a>>>,
}

/// The least that a review must say to be answered.
#[derive(Deserialize)]
struct BareRequest<'a> {
    #[serde(borrow)]
    uid: CowStr<'a>,
    #[serde(borrow, default)]
    operation: Option<RawJson<'a>>,
}

/// Reads a review.
pub(super) fn read(text: &str) -> Result<Wire<'_>, NotAReview> {
    let whole = read_as::<WireRequest<'_, Object<Box<Run<'_>>>>>(text);
    let error = match whole {
        Ok(request) => {
            return finish(request, |object, old| {
                Ok((object.map(|run| run.0), old.map(|run| run.0)))
            });
        }
        Err(error) => error,
    };
    let reason = format!("the object cannot be read: {}", sentence(&error));
    if let Ok(request) = read_as::<WireRequest<'_, IgnoredAny>>(text) {
        return finish(request, |_, _| Err(reason));
    }
    let bare = read_as::<BareRequest<'_>>(text).map_err(|error| NotAReview(sentence(&error)))?;
    let operation = bare
        .operation
        .and_then(|raw| serde_json::from_str::<CowStr<'_>>(raw.text()).ok());
    let request = WireRequest::<IgnoredAny> {
        uid: bare.uid,
        kind: Object::default(),
        sub_resource: None,
        name: None,
        namespace: None,
        operation: operation.unwrap_or_default(),
        user_info: Object::default(),
        object: None,
        old_object: None,
        dry_run: None,
    };
    let reason = format!("the request cannot be read: {}", sentence(&error));
    finish(request, |_, _| Err(reason))
}

fn read_as<'a, R: Deserialize<'a>>(text: &'a str) -> Result<R, serde_json::Error> {
    use serde::de::Error;

    // serde_json says what is wrong where the quick reader has read nothing.
    let Object(review) = json_reader::read::<Object<Review<'a, R>>>(text).or_else(|_| serde_json::from_str(text))?;
    if &*review.api_version != "admission.k8s.io/v1" || &*review.kind != "AdmissionReview" {
        return Err(serde_json::Error::custom(format_args!(
            "expected admission.k8s.io/v1 AdmissionReview, found \"{}\" \"{}\"",
            review.api_version.escape_debug(),
            review.kind.escape_debug()
        )));
    }
    Ok(review.request.0)
}

fn finish<'a, O>(
    request: WireRequest<'a, O>,
    objects: impl FnOnce(Option<O>, Option<O>) -> Result<Objects<'a>, String>,
) -> Result<Wire<'a>, NotAReview> {
    if request.uid.is_empty() {
        return Err(NotAReview("request.uid is empty".to_owned()));
    }
    let UserInfo { username, uid, groups } = request.user_info.0;
    Ok(Wire {
        uid: request.uid,
        kind: request.kind.0,
        operation: request.operation,
        sub_resource: request.sub_resource,
        name: request.name,
        namespace: request.namespace,
        user: User {
            name: username.0,
            groups: groups.unwrap_or_default().into_iter().map(|group| group.0).collect(),
        },
        user_uid: uid.unwrap_or_default(),
        dry_run: request.dry_run.unwrap_or_default(),
        objects: objects(request.object, request.old_object),
    })
}

/// One line, without the backticks that would end a code fence in a pull request.
fn sentence(error: &serde_json::Error) -> String {
    error.to_string().replace('`', "\"").replace(char::is_control, " ")
}

/// Finds the object again in the text of a review that has been read before.
pub(super) fn locate_object(text: &str) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct OnlyRequest<'a> {
        #[serde(borrow)]
        request: OnlyObject<'a>,
    }

    #[derive(Deserialize)]
    struct OnlyObject<'a> {
        #[serde(borrow)]
        object: &'a RawValue,
    }

    serde_json::from_str::<OnlyRequest<'_>>(text)
        .ok()
        .map(|review| review.request.object)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Whatever the quick reader leaves alone is read all the same, only slower: nobody would notice.
    #[test]
    fn every_recorded_review_is_read_the_quick_way() {
        let mut seen = 0;
        for folder in ["tests/reviews", "tests/reviews/real"] {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_none_or(|extension| extension != "json") {
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let review = json_reader::read::<Object<Review<'_, WireRequest<'_, Object<Box<Run<'_>>>>>>>(&text);
                assert!(review.is_ok(), "{}", path.display());
                seen += 1;
            }
        }
        assert!(seen > 20, "only {seen} reviews were found");
    }
}
