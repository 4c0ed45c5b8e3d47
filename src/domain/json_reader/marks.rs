//! Where the bytes of a text stand that mean something inside a string, found for the whole text at once.

use crate::domain::byte_bits::{BLOCK, bits};
use crate::domain::json_text::needs_escape;

/// A bit for each byte of a text: set where the byte is a quotation mark, a backslash, or a control character, which is a mistake.
pub(super) struct Marks {
    blocks: Vec<u64>,
}

impl Marks {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            blocks: bits(bytes, needs_escape).collect(),
        }
    }

    /// The next mark at or after a position.
    #[inline]
    pub(super) fn next(&self, position: usize) -> Option<usize> {
        let mut index = position / BLOCK;
        let mut block = self.blocks.get(index)? & u64::MAX << (position % BLOCK);
        while block == 0 {
            index += 1;
            block = *self.blocks.get(index)?;
        }
        Some(index * BLOCK + block.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_mark_is_found_and_no_other(bytes in prop::collection::vec(any::<u8>(), 0..300), start in 0_usize..310) {
            let means_something = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
            let expected = bytes.iter().skip(start).position(means_something).map(|distance| start + distance);
            prop_assert_eq!(Marks::of(&bytes).next(start), expected);
        }
    }
}
