//! The local KMS: a secret in place of a key service, in the form that Confluent's clients of every language use, so that
//! what one encrypts any other decrypts. And the material of keys, as those clients read it.

use aes_gcm::aead::{Aead, KeyInit, Nonce};
use aes_gcm::{Aes128Gcm, Key};
use hkdf::Hkdf;
use sha2::Sha256;

use super::Algorithm;

/// What a nonce must have.
pub const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const KEY_BYTES: usize = 16;

/// A KMS whose one key is derived from a secret: anybody who knows the secret is the KMS.
pub struct LocalKms {
    cipher: Aes128Gcm,
}

impl std::fmt::Debug for LocalKms {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LocalKms")
    }
}

impl LocalKms {
    /// The KMS type of its keys.
    pub const TYPE: &'static str = "local-kms";

    pub fn new(secret: &str) -> LocalKms {
        let mut key = [0; KEY_BYTES];
        // Only a request for more than 255 hashes can fail.
        let expanded = Hkdf::<Sha256>::new(None, secret.as_bytes()).expand(&[], &mut key);
        debug_assert!(expanded.is_ok());
        LocalKms {
            cipher: Aes128Gcm::new(&Key::<Aes128Gcm>::from(key)),
        }
    }

    /// Nonce, ciphertext and tag. A nonce may be used once.
    pub fn encrypt(&self, nonce: [u8; NONCE_BYTES], plain: &[u8]) -> Result<Vec<u8>, String> {
        let encrypted = self.cipher.encrypt(&Nonce::<Aes128Gcm>::from(nonce), plain);
        let encrypted = encrypted.map_err(|_| "the plaintext is too long".to_owned())?;
        Ok([&nonce[..], &encrypted].concat())
    }

    pub fn decrypt(&self, encrypted: &[u8]) -> Result<Vec<u8>, String> {
        match encrypted.split_first_chunk::<NONCE_BYTES>() {
            Some((nonce, sealed)) if sealed.len() >= TAG_BYTES => self
                .cipher
                .decrypt(&Nonce::<Aes128Gcm>::from(*nonce), sealed)
                .map_err(|_| "the secret is not the one it was encrypted with, or it is damaged".to_owned()),
            _ => Err("ciphertext too short".to_owned()),
        }
    }
}

/// A DEK's own bytes: the key message of Tink, the library that clients encrypt with.
pub struct KeyMaterial;

impl KeyMaterial {
    /// How many random bytes a key of the algorithm has.
    pub fn random_bytes(algorithm: Algorithm) -> usize {
        match algorithm {
            Algorithm::Aes128Gcm => 16,
            Algorithm::Aes256Gcm => 32,
            Algorithm::Aes256Siv => 64,
        }
    }

    /// The message around the key: one field of bytes, whose number is the key type's.
    pub fn of(algorithm: Algorithm, random: &[u8]) -> Vec<u8> {
        let field: u8 = match algorithm {
            Algorithm::Aes128Gcm | Algorithm::Aes256Gcm => 3,
            Algorithm::Aes256Siv => 2,
        };
        const LENGTH_DELIMITED: u8 = 2;
        let length = u8::try_from(random.len()).unwrap_or(u8::MAX);
        [&[field << 3 | LENGTH_DELIMITED, length], random].concat()
    }
}
