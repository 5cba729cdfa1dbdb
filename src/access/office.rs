//! What may be asked of whoever keeps the credentials: the seam between methods and the keeper.

use std::time::Duration;

use super::Principal;
use super::store::{KeyRecord, Target, Wanted};
use super::stream::{Direction, StreamToken};
use crate::clock::Wall;
use crate::error::Later;

/// Gives credentials out and takes them back. What is not `Later` answers from memory.
pub trait Office: Send + Sync {
    /// A token with the rights of `who` for as long again; and until when.
    fn renew(&self, who: &Principal, now: Wall) -> (String, Wall);

    /// A token for one path in one direction, on the word of `who`.
    fn stream_token(
        &self,
        who: &Principal,
        path: &str,
        direction: Direction,
        life: Duration,
        now: Wall,
    ) -> StreamToken;

    /// Takes the rights from tokens at once; done when it is on the disk. `known` is the token, where it is at hand.
    fn revoke(&self, target: Target, known: Option<&Principal>, now: Wall) -> Later<()>;

    /// Every key on record with its use until now, oldest first.
    fn keys(&self) -> Vec<KeyRecord>;

    /// How long a key lasts when nobody says.
    fn default_expiry(&self) -> super::store::Expiry;

    /// Makes a key: its record, and its text for the only time.
    fn create_key(&self, wanted: Wanted, now: Wall) -> Later<(KeyRecord, String)>;

    /// Takes a key's rights at once; done when it is on the disk.
    fn revoke_key(&self, id: &str, now: Wall) -> Later<KeyRecord>;
}
