//! Writing strings as JSON: what needs no escape, which is nearly everything, is copied whole.

/// Appends a text as a JSON string, with its quotation marks.
pub fn push_string(json: &mut String, text: &str) {
    json.push('"');
    push_escaped(json, text);
    json.push('"');
}

/// Appends a text as it stands between the quotation marks of a JSON string.
pub fn push_escaped(json: &mut String, text: &str) {
    // No early end: the compiler then takes many bytes at a time.
    if !text.bytes().fold(false, |found, byte| found | needs_escape(byte)) {
        json.push_str(text);
        return;
    }
    let mut rest = text;
    while let Some(position) = rest.bytes().position(needs_escape) {
        // The bytes that need an escape are ASCII, so this splits no character.
        let (plain, special) = rest.split_at_checked(position).unwrap_or((rest, ""));
        json.push_str(plain);
        let mut after = special.chars();
        match after.next() {
            Some('"') => json.push_str("\\\""),
            Some('\\') => json.push_str("\\\\"),
            Some('\n') => json.push_str("\\n"),
            Some('\r') => json.push_str("\\r"),
            Some('\t') => json.push_str("\\t"),
            Some('\u{8}') => json.push_str("\\b"),
            Some('\u{c}') => json.push_str("\\f"),
            Some(control) => {
                json.push_str("\\u00");
                let code = u32::from(control);
                json.extend([code >> 4, code & 15].map(|digit| char::from_digit(digit, 16).unwrap_or('0')));
            }
            None => {}
        }
        rest = after.as_str();
    }
    json.push_str(rest);
}

fn needs_escape(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut json = String::new();
        push_string(&mut json, text);
        json
    }

    #[test]
    fn every_character_that_needs_it_is_escaped() {
        let controls: String = (0..0x20)
            .map(char::from)
            .chain("\u{7f}\"\\/\u{2028}é".chars())
            .collect();
        assert_eq!(written(&controls), serde_json::to_string(&controls).unwrap());
    }

    proptest! {
        #[test]
        fn a_text_is_written_as_serde_json_writes_it(text in any::<String>()) {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
