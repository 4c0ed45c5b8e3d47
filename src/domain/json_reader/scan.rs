//! Scanning bytes of JSON, many at a time where nothing needs a closer look.

/// How many bytes are looked at together: the compiler makes a few instructions of it on every processor that has wide registers.
const TOGETHER: usize = 16;

/// How many bytes of a string come before the next that means something: a quotation mark, a backslash, or a control character,
/// which is a mistake.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<TOGETHER>() {
        let marks = u128::from_le_bytes(chunk.map(|byte| if means_something(byte) { 0xff } else { 0 }));
        if marks != 0 {
            return bytes.len() - rest.len() + marks.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    let plain = rest.iter().position(|byte| means_something(*byte));
    bytes.len() - rest.len() + plain.unwrap_or(rest.len())
}

#[inline]
fn means_something(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < b' '
}

/// The length of what means something in a string, which is where the bytes begin, and whether it ends the string.
/// Nothing where it may not stand there.
pub(super) fn mark(bytes: &[u8]) -> Option<(usize, bool)> {
    match bytes {
        [b'"', ..] => Some((1, true)),
        [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some((2, false)),
        [b'\\', b'u', digits @ ..] => {
            let digits = digits.first_chunk::<4>()?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some((6, false))
        }
        _ => None,
    }
}

/// The length of the number with which the bytes begin. What follows is not looked at.
pub(super) fn number(bytes: &[u8]) -> Option<usize> {
    let digits = |rest: &[u8]| rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let from = |position: usize| bytes.get(position..).unwrap_or_default();
    let mut end = usize::from(bytes.first() == Some(&b'-'));
    end += match from(end) {
        [b'0', ..] => 1,
        [b'1'..=b'9', after @ ..] => 1 + digits(after),
        _ => return None,
    };
    if let [b'.', fraction @ ..] = from(end) {
        match digits(fraction) {
            0 => return None,
            length => end += 1 + length,
        }
    }
    if let [b'e' | b'E', exponent @ ..] = from(end) {
        let sign = usize::from(matches!(exponent, [b'+' | b'-', ..]));
        match digits(exponent.get(sign..).unwrap_or_default()) {
            0 => return None,
            length => end += 1 + sign + length,
        }
    }
    Some(end)
}
