//! Made-up identifiers, in the form the service gives them.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A stream of identifiers that a seed determines.
#[derive(Debug)]
pub(super) struct Ids(SmallRng);

impl Ids {
    /// Streams of one seed differ by `salt`, so that drawing from one does not disturb another.
    pub(super) fn new(seed: u64, salt: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed ^ salt.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// Id of a stage or participant: 12 letters and digits, as in a captured event.
    pub(super) fn resource(&mut self) -> String {
        self.alphanumeric(12)
    }

    /// Id of a stage session: `st-` and 13 letters and digits.
    pub(super) fn session(&mut self) -> String {
        format!("st-{}", self.alphanumeric(13))
    }

    /// A token: opaque.
    pub(super) fn token(&mut self) -> String {
        format!("eyJ{}", self.alphanumeric(297))
    }

    /// A random UUID, version 4.
    pub(super) fn uuid(&mut self) -> String {
        let bits = (self.0.random::<u128>() & !(0xF000 << 64) & !(0xC << 60)) | (0x4000 << 64) | (0x8 << 60);
        let hex = format!("{bits:032x}");
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    fn alphanumeric(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(ALPHANUMERIC[self.0.random_range(0..ALPHANUMERIC.len())])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_another_gives_another() {
        let draw = |seed, salt| {
            let mut ids = Ids::new(seed, salt);
            (ids.resource(), ids.session(), ids.token(), ids.uuid())
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
    }

    #[test]
    fn ids_have_the_lengths_of_the_model() {
        let mut ids = Ids::new(7, 0);
        assert_eq!(ids.resource().len(), 12);
        assert_eq!(ids.session().len(), 16);
        let uuid = ids.uuid();
        assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
    }
}
