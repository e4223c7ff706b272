//! The DEK registry as a service: keys of client-side field encryption, kept in `_dek_registry_keys` as the real one
//! keeps them.

use std::future::ready;
use std::sync::Arc;

use base::{Clock, Random, TimestampMs};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::{Topics, TopicsError};
use schema::RegistryError;
use schema::dek::{
    Algorithm, Change, Dek, DekId, Kek, KeyMaterial, Keys, LocalKms, NONCE_BYTES, NewDek, NewKek, UpdatedKek,
};

use crate::kept::{Kept, Replayed};

/// Where the keys are kept.
pub const KEYS_TOPIC: &str = "_dek_registry_keys";
const WRITER: &str = "_dek-registry";

/// The keys, and the KMS by which shared ones are used.
pub struct DekRegistry {
    keys: Kept<Keys>,
    /// `None` without a secret: then a shared KEK can be kept but not used.
    kms: Option<LocalKms>,
    random: Arc<dyn Random>,
}

/// A DEK as answers show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownDek {
    pub id: DekId,
    pub dek: Dek,
    /// The DEK itself in base64, if the registry may see it.
    pub material: Option<String>,
}

impl Replayed for Keys {
    type Change = Change;

    fn read(key: &[u8], value: Option<&[u8]>) -> Result<Option<Change>, String> {
        Change::decode(key, value).map(Some)
    }

    fn write(change: &Change) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        change.encode().ok()
    }

    fn apply(&mut self, change: Change, ts: TimestampMs) {
        Keys::apply(self, change, ts);
    }
}

impl DekRegistry {
    /// Takes in what the topic holds, and follows it. `local_secret` is the local KMS.
    pub async fn open(
        topics: Arc<dyn Topics>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        local_secret: Option<&str>,
    ) -> Result<Arc<DekRegistry>, TopicsError> {
        Ok(Arc::new(DekRegistry {
            keys: Kept::open(topics, clock, KEYS_TOPIC, WRITER).await?,
            kms: local_secret.map(LocalKms::new),
            random,
        }))
    }

    /// The keys as they are.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.state()
    }

    /// Waits for the changes under way; then takes no more, and follows the topic no longer.
    pub async fn stop(&self) {
        self.keys.stop().await;
    }

    /// Decides on the keys as they will be, and answers with what `show` makes of the keys with the changes, once these
    /// are durable.
    async fn change<T: Send>(
        &self,
        decide: impl Fn(&Keys) -> Result<Vec<Change>, RegistryError>,
        show: impl Fn(&Keys) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let decide = |keys: Arc<Keys>, now_ms| {
            ready(decide(&keys).and_then(|changes| {
                let mut after = Keys::clone(&keys);
                changes.iter().cloned().for_each(|change| after.apply(change, now_ms));
                Ok((show(&after)?, changes))
            }))
        };
        self.keys.change(decide).await
    }

    /// Makes a KEK; with `test`, only if the registry can use it.
    pub async fn create_kek(&self, kek: NewKek, test: bool) -> Result<Kek, RegistryError> {
        let kek = kek.checked()?;
        if test && kek.shared {
            self.try_out(&kek)?;
        }
        let name = kek.name.clone();
        let show = |keys: &Keys| keys.kek(&name, true).cloned();
        self.change(|keys| keys.create_kek(kek.clone()), show).await
    }

    pub async fn update_kek(&self, name: &str, update: UpdatedKek, test: bool) -> Result<Kek, RegistryError> {
        let updated = self.keys().updated_kek(name, update.clone())?;
        if test && updated.shared {
            self.try_out(&updated)?;
        }
        let show = |keys: &Keys| keys.kek(name, false).cloned();
        self.change(|keys| keys.update_kek(name, update.clone()), show).await
    }

    pub async fn delete_kek(&self, name: &str, permanent: bool) -> Result<(), RegistryError> {
        self.change(|keys| keys.delete_kek(name, permanent), |_| Ok(())).await
    }

    pub async fn undelete_kek(&self, name: &str) -> Result<(), RegistryError> {
        self.change(|keys| keys.undelete_kek(name), |_| Ok(())).await
    }

    /// Whether the registry can encrypt with a shared KEK.
    pub fn test_kek(&self, name: &str) -> Result<Kek, RegistryError> {
        let keys = self.keys();
        let kek = keys.kek(name, false)?;
        self.try_out(kek)?;
        Ok(kek.clone())
    }

    fn try_out(&self, kek: &Kek) -> Result<(), RegistryError> {
        self.new_material(kek, &Keys::trial(kek)?).map(drop)
    }

    /// A DEK; without a version the latest. Its material is shown if its KEK is shared.
    pub fn dek(
        &self,
        kek: &str,
        subject: &str,
        version: Option<i32>,
        algorithm: Option<Algorithm>,
        deleted: bool,
    ) -> Result<ShownDek, RegistryError> {
        let keys = self.keys();
        let (kek, id, dek) = keys.dek(kek, subject, version, algorithm, deleted)?;
        self.shown(kek, id, dek)
    }

    /// Makes a DEK. For a shared KEK without material given, a new key is drawn; with `rewrap` the key there is stays
    /// and is encrypted anew.
    pub async fn create_dek(
        &self,
        kek: &str,
        subject: &str,
        rewrap: bool,
        wanted: NewDek,
    ) -> Result<ShownDek, RegistryError> {
        let decide = |keys: Arc<Keys>, now_ms| ready(self.decide_dek(&keys, kek, subject, rewrap, &wanted, now_ms));
        self.keys.change(decide).await
    }

    fn decide_dek(
        &self,
        keys: &Keys,
        kek: &str,
        subject: &str,
        rewrap: bool,
        wanted: &NewDek,
        now_ms: TimestampMs,
    ) -> Result<(ShownDek, Vec<Change>), RegistryError> {
        let (kek, id, old) = keys.may_create_dek(kek, subject, rewrap, wanted)?;
        let encrypted = match (&wanted.encrypted, old) {
            (Some(encrypted), _) => encrypted.clone(),
            (None, Some(old)) => {
                let plain = self.decrypted(kek, &id, old)?;
                self.encrypted(kek, &id, &plain)?
            }
            (None, None) => self.new_material(kek, &id)?,
        };
        let dek = Dek {
            encrypted: Some(encrypted),
            deleted: wanted.deleted,
            ts: now_ms,
        };
        // What could not be read again is not kept.
        let shown = self.shown(kek, id.clone(), &dek)?;
        Ok((shown, vec![Change::PutDek(id, dek)]))
    }

    pub async fn delete_deks(
        &self,
        kek: &str,
        subject: &str,
        version: Option<Option<i32>>,
        algorithm: Option<Algorithm>,
        permanent: bool,
    ) -> Result<(), RegistryError> {
        let decide = |keys: &Keys| keys.delete_deks(kek, subject, version, algorithm, permanent);
        self.change(decide, |_| Ok(())).await
    }

    pub async fn undelete_deks(
        &self,
        kek: &str,
        subject: &str,
        version: Option<Option<i32>>,
        algorithm: Option<Algorithm>,
    ) -> Result<(), RegistryError> {
        let decide = |keys: &Keys| keys.undelete_deks(kek, subject, version, algorithm);
        self.change(decide, |_| Ok(())).await
    }

    fn shown(&self, kek: &Kek, id: DekId, dek: &Dek) -> Result<ShownDek, RegistryError> {
        let material = match kek.shared {
            true => Some(STANDARD.encode(self.decrypted(kek, &id, dek)?)),
            false => None,
        };
        Ok(ShownDek {
            id,
            dek: dek.clone(),
            material,
        })
    }

    /// A new key, encrypted.
    fn new_material(&self, kek: &Kek, id: &DekId) -> Result<String, RegistryError> {
        let mut random = vec![0; KeyMaterial::random_bytes(id.algorithm)];
        self.random.fill(&mut random);
        self.encrypted(kek, id, &KeyMaterial::of(id.algorithm, &random))
    }

    fn encrypted(&self, kek: &Kek, id: &DekId, plain: &[u8]) -> Result<String, RegistryError> {
        let mut nonce = [0; NONCE_BYTES];
        self.random.fill(&mut nonce);
        let encrypted = self.kms(kek).and_then(|kms| kms.encrypt(nonce, plain));
        let encrypted = encrypted.map_err(|why| no_dek("encrypted", id, &why))?;
        Ok(STANDARD.encode(encrypted))
    }

    fn decrypted(&self, kek: &Kek, id: &DekId, dek: &Dek) -> Result<Vec<u8>, RegistryError> {
        let encrypted = STANDARD
            .decode(dek.encrypted.as_deref().unwrap_or_default())
            .map_err(|error| format!("its encrypted material is not base64: {error}"));
        let plain = encrypted.and_then(|encrypted| self.kms(kek)?.decrypt(&encrypted));
        plain.map_err(|why| no_dek("raw", id, &why))
    }

    /// The KMS of a KEK, if it is one that can be reached from here.
    fn kms(&self, kek: &Kek) -> Result<&LocalKms, String> {
        if kek.kms_type != LocalKms::TYPE {
            let Kek {
                kms_type, kms_key_id, ..
            } = kek;
            return Err(format!("No KMS driver supports: {kms_type}://{kms_key_id}"));
        }
        self.kms
            .as_ref()
            .ok_or_else(|| "cannot load secret: set LOCAL_SECRET".to_owned())
    }
}

/// The real registry says so with a 500, after which its clients ask again three times; it would not help.
fn no_dek(what: &str, id: &DekId, why: &str) -> RegistryError {
    RegistryError::new(
        40370,
        format!("Could not generate {what} dek for {}: {why}", id.subject),
    )
}
