//! A bit for each byte of a text that is of some kind, found for many bytes at a time.

/// How many bytes one word of bits tells of.
pub const BLOCK: usize = u64::BITS as usize;

/// The bits of a text, 64 bytes in a word, the first byte's lowest. What is beyond the end of the text counts as spaces.
pub fn bits(bytes: &[u8], is: impl Fn(u8) -> bool + Copy) -> impl Iterator<Item = u64> {
    let (whole, rest) = bytes.as_chunks();
    let mut last = [b' '; BLOCK];
    if let Some(to) = last.get_mut(..rest.len()) {
        to.copy_from_slice(rest);
    }
    let last = (!rest.is_empty()).then(|| bits_of(&last, is));
    whole.iter().map(move |block| bits_of(block, is)).chain(last)
}

/// The positions of the bits that are set in one word, ascending.
pub fn positions(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let position = word.trailing_zeros() as usize;
        word &= word.checked_sub(1)?;
        Some(position)
    })
}

/// The bits of one block. Written so that the compiler takes sixteen bytes at a time, without a branch.
#[inline]
fn bits_of(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    /// Multiplied with eight bytes that are one or zero, it brings them together in the highest byte, the first one lowest.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut flags = [0; BLOCK];
    for (flag, byte) in flags.iter_mut().zip(block) {
        *flag = u8::from(is(*byte));
    }
    let (words, _) = flags.as_chunks();
    let gathered = words
        .iter()
        .map(|word| u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56);
    gathered.rev().fold(0, |bits, eight| bits << 8 | eight)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_byte_of_the_kind_is_found_and_no_other(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let is = |byte: u8| byte == b'"' || byte > 0xf0;
            let found: Vec<usize> = bits(&bytes, is)
                .enumerate()
                .flat_map(|(index, word)| positions(word).map(move |position| index * BLOCK + position))
                .collect();
            let expected: Vec<usize> = (0..bytes.len()).filter(|position| is(bytes[*position])).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
