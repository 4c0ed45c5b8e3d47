//! Writing strings as JSON: what needs no escape, which is nearly everything, is copied whole.

use super::byte_bits::{BLOCK, bits, positions};

/// Appends a text as a JSON string, with its quotation marks.
pub fn push_string(json: &mut String, text: &str) {
    json.push('"');
    push_escaped(json, text);
    json.push('"');
}

/// Appends a text as it stands between the quotation marks of a JSON string.
pub fn push_escaped(json: &mut String, text: &str) {
    // Most texts need none, and are short.
    if !needs_escapes(text.as_bytes()) {
        json.push_str(text);
        return;
    }
    let mut done = 0;
    for (index, word) in bits(text.as_bytes(), needs_escape).enumerate() {
        for position in positions(word).map(|position| index * BLOCK + position) {
            // The bytes that need an escape are ASCII, so this splits no character.
            json.push_str(text.get(done..position).unwrap_or_default());
            push_escape(json, text.as_bytes().get(position).copied().unwrap_or_default());
            done = position + 1;
        }
    }
    json.push_str(text.get(done..).unwrap_or_default());
}

/// Whether any byte needs an escape.
fn needs_escapes(bytes: &[u8]) -> bool {
    /// So many bytes are looked at in one instruction.
    const LANES: usize = 16;
    // No early end: the compiler then takes all lanes at once.
    let any = |bytes: &[u8]| bytes.iter().fold(false, |found, byte| found | needs_escape(*byte));
    let Some(last) = bytes.last_chunk::<LANES>() else {
        return any(bytes);
    };
    // The last lanes overlap with those before them, instead of a rest that is taken byte by byte.
    let (whole, _) = bytes.as_chunks::<LANES>();
    whole.iter().fold(any(last), |found, lanes| found | any(lanes))
}

fn push_escape(json: &mut String, byte: u8) {
    match byte {
        b'"' => json.push_str("\\\""),
        b'\\' => json.push_str("\\\\"),
        b'\n' => json.push_str("\\n"),
        b'\r' => json.push_str("\\r"),
        b'\t' => json.push_str("\\t"),
        8 => json.push_str("\\b"),
        12 => json.push_str("\\f"),
        control => {
            json.push_str("\\u00");
            json.extend([control >> 4, control & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
        }
    }
}

/// Whether a byte may not stand in a JSON string as it is.
pub fn needs_escape(byte: u8) -> bool {
    // Not `||`: without branches the compiler takes many bytes at a time.
    (byte == b'"') | (byte == b'\\') | (byte < b' ')
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

    #[test]
    fn one_character_that_needs_it_is_found_wherever_it_stands() {
        for length in 1..70 {
            for position in 0..length {
                let mut text = "x".repeat(length);
                text.replace_range(position..=position, "\"");
                assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn a_text_is_written_as_serde_json_writes_it(text in any::<String>()) {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
