//! The two small grammars inside JSON: escapes and numbers.

/// The length of the escape with which the bytes begin; half a character is one, too.
#[inline]
pub(super) fn escape(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        [b'\\', b'u', digits @ ..] => {
            let digits = digits.first_chunk::<4>()?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(6)
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
