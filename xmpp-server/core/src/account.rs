//! Accounts: what is kept instead of a password, and which passwords are acceptable.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use rand::CryptoRng;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Iterations never go below this (RFC 5802 §5.1).
pub const ITERATIONS_MIN: u32 = 4096;
/// Iterations for secrets that are random and long already: those of focus and bridges.
pub const ITERATIONS_RANDOM_SECRET: u32 = 4096;
/// Bytes of salt in new keys.
const SALT_BYTES: usize = 16;
/// Longest password, in bytes: deriving keys from more would only cost time.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Shortest password a configuration may allow, in characters.
pub const PASSWORD_CHARACTERS_MIN: usize = 8;

/// A hash function of SCRAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScramHash {
    /// SCRAM-SHA-1 (RFC 5802).
    Sha1,
    /// SCRAM-SHA-256 (RFC 7677).
    Sha256,
}

impl ScramHash {
    /// HMAC with this hash.
    pub fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), data).as_ref().to_vec()
    }

    /// The hash itself.
    pub fn hash(self, data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
        };
        digest::digest(algorithm, data).as_ref().to_vec()
    }

    /// Bytes of a hash.
    pub fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn salted_password(self, password: &str, salt: &[u8], iterations: u32) -> Zeroizing<Vec<u8>> {
        let algorithm = match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        };
        let mut out = Zeroizing::new(vec![0; self.bytes()]);
        let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), &mut out);
        out
    }
}

/// The keys of one account for one hash (RFC 5802 §3). A password can't be had from them, nor can
/// one sign in with them.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// Salt, own to this account and hash.
    pub salt: Vec<u8>,
    /// Iterations of the derivation.
    pub iterations: u32,
    /// Checks the client.
    pub stored_key: Vec<u8>,
    /// Proves the server to the client.
    pub server_key: Vec<u8>,
}

impl ScramKeys {
    /// Derives keys with a fresh salt.
    pub fn derive(hash: ScramHash, prepared: &str, iterations: u32, random: &mut dyn CryptoRng) -> Self {
        let mut salt = vec![0; SALT_BYTES];
        random.fill_bytes(&mut salt);
        Self::with_salt(hash, prepared, salt, iterations)
    }

    fn with_salt(hash: ScramHash, prepared: &str, salt: Vec<u8>, iterations: u32) -> Self {
        let salted = hash.salted_password(prepared, &salt, iterations);
        let mut client_key = hash.hmac(&salted, b"Client Key");
        let stored_key = hash.hash(&client_key);
        client_key.zeroize();
        Self { salt, iterations, stored_key, server_key: hash.hmac(&salted, b"Server Key") }
    }
}

impl std::fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScramKeys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// What is kept of an account's password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// For SCRAM-SHA-1: the only one Smack and Jitsi's client know.
    pub sha1: ScramKeys,
    /// For SCRAM-SHA-256, and for PLAIN.
    pub sha256: ScramKeys,
}

impl Credentials {
    /// Derives the keys of an acceptable password. Slow on purpose: not for the main loop.
    pub fn derive(password: &Password, iterations: u32, random: &mut dyn CryptoRng) -> Self {
        let iterations = iterations.max(ITERATIONS_MIN);
        Self {
            sha1: ScramKeys::derive(ScramHash::Sha1, &password.0, iterations, random),
            sha256: ScramKeys::derive(ScramHash::Sha256, &password.0, iterations, random),
        }
    }

    /// Whether this is the password. Slow on purpose: not for the main loop.
    pub fn verify(&self, password: &Password) -> bool {
        let offered =
            ScramKeys::with_salt(ScramHash::Sha256, &password.0, self.sha256.salt.clone(), self.sha256.iterations);
        offered.stored_key.ct_eq(&self.sha256.stored_key).into()
    }

    /// The keys for a hash.
    pub fn keys(&self, hash: ScramHash) -> &ScramKeys {
        match hash {
            ScramHash::Sha1 => &self.sha1,
            ScramHash::Sha256 => &self.sha256,
        }
    }

    /// Keys nobody can sign in with, the same for every question about the same name: who asks
    /// can't tell a name that exists from one that does not (RFC 5802 §9).
    pub fn pretended(server_secret: &[u8], address: &str, iterations: u32) -> Self {
        let keys = |hash: ScramHash, label: &str| {
            let salt = ScramHash::Sha256.hmac(server_secret, format!("{label}\0{address}").as_bytes());
            ScramKeys {
                salt: salt[..SALT_BYTES].to_vec(),
                iterations,
                stored_key: vec![0; hash.bytes()],
                server_key: vec![0; hash.bytes()],
            }
        };
        Self { sha1: keys(ScramHash::Sha1, "salt of sha-1"), sha256: keys(ScramHash::Sha256, "salt of sha-256") }
    }
}

/// A password, prepared for derivation (SASLprep, RFC 4013). Erased when dropped; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Prepares what somebody typed.
    pub fn new(text: &str) -> Result<Self, PasswordProblem> {
        if text.is_empty() {
            return Err(PasswordProblem::Empty);
        }
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(PasswordProblem::TooLong);
        }
        let prepared = stringprep::saslprep(text).map_err(|_| PasswordProblem::Unusable)?;
        if prepared.is_empty() {
            return Err(PasswordProblem::Empty);
        }
        Ok(Self(Zeroizing::new(prepared.into_owned())))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Which passwords people may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Shortest password, in characters.
    pub characters_min: usize,
}

impl PasswordPolicy {
    /// Checks a password somebody wants for the account `name` (its local part).
    pub fn check(&self, name: &str, text: &str) -> Result<Password, PasswordProblem> {
        let password = Password::new(text)?;
        if text.chars().count() < self.characters_min {
            return Err(PasswordProblem::TooShort { characters_min: self.characters_min });
        }
        if text.to_lowercase().contains(&name.to_lowercase())
            && text.chars().count() < name.chars().count() + self.characters_min / 2
        {
            return Err(PasswordProblem::ContainsName);
        }
        let mut characters: Vec<char> = text.chars().collect();
        characters.sort_unstable();
        characters.dedup();
        if characters.len() < 3 {
            return Err(PasswordProblem::TooSimple);
        }
        Ok(password)
    }
}

/// Why a password is not accepted; the text is for the person who chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PasswordProblem {
    /// Nothing was given.
    #[error("Please choose a password; it can't be empty.")]
    Empty,
    /// Under the minimum.
    #[error("Please choose a longer password: at least {characters_min} characters.")]
    TooShort {
        /// The minimum.
        characters_min: usize,
    },
    /// Over [`PASSWORD_BYTES_MAX`].
    #[error("Please choose a shorter password: at most 1024 bytes.")]
    TooLong,
    /// The name, or little more than the name.
    #[error("Please choose a password that isn't your user name.")]
    ContainsName,
    /// One or two characters repeated.
    #[error("Please choose a password that isn't one character repeated.")]
    TooSimple,
    /// Holds characters that SASLprep forbids.
    #[error("Please choose a password without control characters.")]
    Unusable,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn random() -> rand::rngs::StdRng {
        rand::rngs::StdRng::seed_from_u64(1)
    }

    #[test]
    fn derivation_agrees_with_the_published_examples() {
        // RFC 5802 §5 and RFC 7677 §3: user "user", password "pencil".
        let salt = [0x41, 0x25, 0xc2, 0x47, 0xe4, 0x3a, 0xb1, 0xe9, 0x3c, 0x6d, 0xff, 0x76];
        let keys = ScramKeys::with_salt(ScramHash::Sha1, "pencil", salt.to_vec(), 4096);
        assert_eq!(
            keys.stored_key,
            [
                0xe9, 0xd9, 0x46, 0x60, 0xc3, 0x9d, 0x65, 0xc3, 0x8f, 0xba, 0xd9, 0x1c, 0x35, 0x8f, 0x14, 0xda, 0x0e,
                0xef, 0x2b, 0xd6
            ]
        );
    }

    #[test]
    fn the_right_password_and_only_it_verifies() {
        let password = Password::new("correct horse").expect("usable");
        let credentials = Credentials::derive(&password, ITERATIONS_MIN, &mut random());
        assert!(credentials.verify(&password));
        assert!(!credentials.verify(&Password::new("correct horsf").expect("usable")));
        assert_ne!(credentials.sha1.salt, credentials.sha256.salt);
        assert!(!format!("{credentials:?} {password:?}").contains("horse"));
    }

    #[test]
    fn equivalent_spellings_are_one_password() {
        // Soft hyphen disappears, a no-break space is a space, the ligature becomes letters.
        let typed = Password::new("co\u{ad}rrect\u{a0}\u{fb01}sh").expect("usable");
        assert!(typed == Password::new("correct fish").expect("usable"));
    }

    #[test]
    fn the_policy_says_what_to_do() {
        let policy = PasswordPolicy { characters_min: 8 };
        let problem = |text: &str| policy.check("annabel", text).expect_err("refused");
        assert_eq!(problem(""), PasswordProblem::Empty);
        assert_eq!(problem("kurz7$x"), PasswordProblem::TooShort { characters_min: 8 });
        assert_eq!(problem("Annabel1"), PasswordProblem::ContainsName);
        assert_eq!(problem("aaaaaaaaaa"), PasswordProblem::TooSimple);
        assert_eq!(problem("bell\u{7}bell"), PasswordProblem::Unusable);
        assert_eq!(problem(&"xyz".repeat(PASSWORD_BYTES_MAX)), PasswordProblem::TooLong);
        assert!(policy.check("annabel", "eight ch").is_ok());
        assert!(policy.check("al", "totally different").is_ok());
    }

    #[test]
    fn a_name_without_an_account_looks_like_one_with() {
        let a = Credentials::pretended(b"secret", "nobody@d", 10_000);
        assert_eq!(a, Credentials::pretended(b"secret", "nobody@d", 10_000));
        assert_ne!(a, Credentials::pretended(b"secret", "somebody@d", 10_000));
        assert_ne!(a, Credentials::pretended(b"other", "nobody@d", 10_000));
        assert_eq!(a.sha1.salt.len(), SALT_BYTES);
    }
}
