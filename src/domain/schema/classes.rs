//! What kinds of bytes a value holds, found in one pass: most questions that are asked of every value end with that.

/// The classes that the bytes of a value belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Classes(u8);

impl Classes {
    /// Neither a visible character of ASCII nor a space.
    pub(super) const UNUSUAL: u8 = 1;
    /// What a placeholder begins with: `{`, `$`.
    pub(super) const OPENING: u8 = 2;
    /// `@`, without which there is no password in an address.
    pub(super) const AT: u8 = 4;
    /// Every credential that is looked for holds one of these: `A` and `~` as some tokens begin, the marks that join the parts of the
    /// others, `.` of a host, `=` of a query.
    pub(super) const CREDENTIAL: u8 = 8;

    const OF_BYTES: [u8; 256] = {
        let mut classes = [0; 256];
        let (mut rest, mut byte) = (classes.as_mut_slice(), 0_u8);
        while let Some((class, others)) = rest.split_first_mut() {
            *class = match byte {
                b'{' | b'$' => Self::OPENING,
                b'@' => Self::AT | Self::CREDENTIAL,
                b'A' | b'~' | b'-' | b'_' | b'.' | b'=' => Self::CREDENTIAL,
                b' '..=b'~' => 0,
                _ => Self::UNUSUAL,
            };
            (rest, byte) = (others, byte.wrapping_add(1));
        }
        classes
    };

    pub(super) fn of(value: &str) -> Self {
        let of_byte = |byte: u8| Self::OF_BYTES.get(usize::from(byte)).copied().unwrap_or_default();
        Self(value.bytes().fold(0, |classes, byte| classes | of_byte(byte)))
    }

    /// Whether some byte is of one of these classes.
    pub(super) fn have(self, classes: u8) -> bool {
        self.0 & classes != 0
    }
}
