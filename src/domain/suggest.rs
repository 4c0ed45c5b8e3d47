//! "Did you mean": the candidate nearest to a misspelt word, or none where nothing is near.

/// Longest word for which a neighbour is sought, in bytes; annotation keys are at most 317.
const MAX_WORD_BYTES: usize = 320;

/// Most candidates that are compared; the rest is ignored, so that a huge registry cannot make a refusal slow.
const MAX_CANDIDATES: usize = 4096;

/// Most edits that still count as a slip, whatever the length.
const MAX_EDITS: usize = 4;

/// The candidate nearest to `wanted`, if one is near enough to be what was meant.
///
/// One edit in three characters is near; exchanged neighbours count as one edit; upper and lower case, and `-`, `_`,
/// `.` and space, hardly differ. Of two equally near candidates the first by name wins, whatever the order they come in.
/// A candidate that equals `wanted` is none: it would suggest what is already there.
pub fn nearest<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if wanted.len() > MAX_WORD_BYTES {
        return None;
    }
    let folded_wanted = fold(wanted);
    let limit = (folded_wanted.chars().count() / 3).min(MAX_EDITS);
    candidates
        .take(MAX_CANDIDATES)
        .filter(|candidate| *candidate != wanted && candidate.len().abs_diff(wanted.len()) <= MAX_EDITS * 4)
        .filter_map(|candidate| {
            let edits = edits_within(&folded_wanted, &fold(candidate), limit)?;
            // Only then does the spelling as written decide, so that `Main` is nearer to `main` than to `MAIN`.
            Some((edits, differing_bytes(wanted, candidate), candidate))
        })
        .min()
        .map(|(_, _, candidate)| candidate)
}

/// Whether two words differ in nothing but upper and lower case, and in `-`, `_`, `.` and space.
pub fn is_same_word(one: &str, other: &str) -> bool {
    fold(one) == fold(other)
}

fn fold(word: &str) -> String {
    word.chars()
        .map(|character| match character {
            '_' | '.' | ' ' => '-',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

/// The optimal string alignment distance, if it is at most `limit`.
fn edits_within(wanted: &str, candidate: &str, limit: usize) -> Option<usize> {
    let (wanted, candidate) = without_common_ends(wanted, candidate);
    if wanted.chars().count().abs_diff(candidate.chars().count()) > limit {
        return None;
    }
    let edits = if wanted == candidate {
        0
    } else {
        strsim::osa_distance(wanted, candidate)
    };
    (edits <= limit).then_some(edits)
}

/// Cuts what both words begin and end with: keys of one integration share a long prefix that need not be compared.
fn without_common_ends<'a, 'b>(left: &'a str, right: &'b str) -> (&'a str, &'b str) {
    let shared: usize = left
        .chars()
        .zip(right.chars())
        .take_while(|(left, right)| left == right)
        .map(|(character, _)| character.len_utf8())
        .sum();
    let (left, right) = (left.get(shared..).unwrap_or(left), right.get(shared..).unwrap_or(right));
    let shared: usize = left
        .chars()
        .rev()
        .zip(right.chars().rev())
        .take_while(|(left, right)| left == right)
        .map(|(character, _)| character.len_utf8())
        .sum();
    (
        left.get(..left.len() - shared).unwrap_or(left),
        right.get(..right.len() - shared).unwrap_or(right),
    )
}

fn differing_bytes(left: &str, right: &str) -> usize {
    left.len().abs_diff(right.len())
        + left
            .bytes()
            .zip(right.bytes())
            .filter(|(left, right)| left != right)
            .count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(wanted: &str, candidates: &[&str], expected: Option<&str>) {
        assert_eq!(
            nearest(wanted, candidates.iter().copied()),
            expected,
            "{wanted} among {candidates:?}"
        );
        assert_eq!(
            nearest(wanted, candidates.iter().rev().copied()),
            expected,
            "{wanted}, other order"
        );
    }

    #[test]
    fn slips_find_their_word() {
        let keys = [
            "owner",
            "repo",
            "sha",
            "installation",
            "name",
            "context",
            "url",
            "pull-request",
        ];
        check("onwer", &keys, Some("owner"));
        check("ower", &keys, Some("owner"));
        check("rep", &keys, Some("repo"));
        check("sah", &keys, Some("sha"));
        check("instalation", &keys, Some("installation"));
        check("Installation", &keys, Some("installation"));
        check("PULL_REQUEST", &keys, Some("pull-request"));
        check("pull.request", &keys, Some("pull-request"));
        check("pullrequest", &keys, Some("pull-request"));
        check(
            "github.integrations.tekton.dev/shaa",
            &[
                "github.integrations.tekton.dev/sha",
                "github.integrations.tekton.dev/url",
            ],
            Some("github.integrations.tekton.dev/sha"),
        );
    }

    #[test]
    fn strangers_are_not_suggested() {
        let keys = ["owner", "repo", "sha", "url"];
        check("commit", &keys, None);
        check("x", &keys, None);
        check("", &keys, None);
        check("ur", &["us", "or"], None);
        check("ref", &["sha"], None);
        check("sha", &["sha"], None);
        check("id", &["ID"], Some("ID"));
        check("owner", &[], None);
    }

    #[test]
    fn ties_do_not_depend_on_order() {
        check("bat", &["cat", "rat", "hat"], Some("cat"));
        check("Main", &["MAIN", "main"], Some("main"));
    }

    #[test]
    fn huge_input_is_given_up_at_once() {
        let huge = "a".repeat(1 << 20);
        check(&huge, &["a"], None);
        check("abc", &[&huge], None);
    }

    proptest! {
        #[test]
        fn any_word_gets_a_candidate_that_is_there_and_is_not_itself(
            wanted in any::<String>(),
            candidates in proptest::collection::vec(any::<String>(), 0..5),
        ) {
            let found = nearest(&wanted, candidates.iter().map(String::as_str));
            if let Some(found) = found {
                prop_assert!(found != wanted && candidates.iter().any(|candidate| candidate == found));
            }
        }

        #[test]
        fn one_slip_in_a_long_word_is_found(word in "[a-z]{6,20}", position in 0_usize..6) {
            let mut slipped: Vec<char> = word.chars().collect();
            slipped[position] = '9';
            let slipped: String = slipped.into_iter().collect();
            prop_assert_eq!(nearest(&slipped, std::iter::once(word.as_str())), Some(word.as_str()));
        }
    }
}
