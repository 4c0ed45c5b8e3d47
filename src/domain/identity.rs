//! Identities: names for who does what, and the user names behind them.

use super::pattern::Glob;

/// The users behind one or more identities.
#[derive(Debug, Clone, Default)]
pub struct Identities {
    /// Exact user names and globs, as Settings list them.
    users: Vec<Glob>,
}

impl Identities {
    /// The users that any of these globs match.
    pub fn new(users: Vec<Glob>) -> Self {
        Self { users }
    }

    /// Whether the user is one of them.
    pub fn contains(&self, user: &str) -> bool {
        self.users.iter().any(|glob| glob.matches(user))
    }

    /// Whether nobody is meant.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// The globs, for those who write manifests and documentation.
    pub fn globs(&self) -> &[Glob] {
        &self.users
    }
}
