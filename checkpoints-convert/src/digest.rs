//! Digests of content: fields in, 32 hexadecimal digits out. They distinguish contents that differ
//! by accident or by editing, but do not resist deliberate collisions.

use xxhash_rust::xxh3::Xxh3Default;

/// A digest of fields, each prefixed by its length, so that different lists of fields never
/// concatenate to the same bytes.
#[derive(Clone, Default)]
pub(crate) struct Digest(Xxh3Default);

impl Digest {
    pub fn field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub fn number(&mut self, number: u64) {
        self.field(&number.to_le_bytes());
    }

    pub fn finish(self) -> String {
        format!("{:032x}", self.0.digest128())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[&str]) -> String {
        let mut digest = Digest::default();
        for field in fields {
            digest.field(field.as_bytes());
        }
        digest.finish()
    }

    #[test]
    fn fields_do_not_run_together() {
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["ab", ""]), of(&["ab"]));
        assert_eq!(of(&[]).len(), 32);
    }

    #[test]
    fn nothing_gives_the_published_digest_of_nothing() {
        assert_eq!(of(&[]), "99aa06d3014798d86001c324468d497f");
    }
}
