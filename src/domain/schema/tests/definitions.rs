//! Mistakes of a schema itself, told before it judges a value.

use super::*;

#[test]
fn definitions_are_checked_as_well() {
    let check = |schema: ValueSchema, expected: &[&str]| {
        let found: Vec<String> = schema
            .check_definition(&UrlRules::default())
            .into_iter()
            .map(|mistake| match mistake.index {
                Some(index) => format!("{}[{index}]: {}", mistake.term, mistake.message),
                None => format!("{}: {}", mistake.term, mistake.message),
            })
            .collect();
        assert_eq!(found, expected);
    };
    check(ValueSchema::default(), &[]);
    check(
        ValueSchema {
            min_length: Some(3),
            max_length: Some(2),
            minimum: Some(2),
            maximum: Some(1),
            pattern_message: Some("x".to_owned()),
            schemes: vec!["HTTPS".to_owned()],
            hosts: HostRule::Any,
            ..ValueSchema::default()
        },
        &[
            "minLength: expected at most maxLength, which is 2, found 3",
            "minimum: expected at most maximum, which is 1, found 2",
            "minimum: expected format int64 beside minimum, found no format",
            "maximum: expected format int64 beside maximum, found no format",
            "patternMessage: expected a pattern that it describes, found none",
            "schemes: expected format uri or git-url beside schemes, found no format",
            "hosts: expected format uri beside hosts, found no format",
            "schemes[0]: expected a scheme in lower case such as https, found \"HTTPS\"",
        ],
    );
    check(
        ValueSchema {
            enum_values: vec!["1".to_owned(), "two".to_owned(), "1".to_owned()],
            ..of_format(Format::Int64)
        },
        &[
            "enum[1]: expected a whole number, found \"two\"",
            "enum[2]: expected each value once, found \"1\" again",
        ],
    );
    check(
        ValueSchema {
            schemes: vec!["http".to_owned()],
            enum_values: vec!["http://example.com".to_owned()],
            ..of_format(Format::Uri)
        },
        &[],
    );
}
