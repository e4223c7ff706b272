//! Quotas: what each user, client and address may have of the broker; kept in the catalog, enforced by telling clients
//! to wait and not listening to them meanwhile.

mod entity;
mod meter;
mod rate;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base::Clock;
use catalog::{Catalog, CatalogError};
use parking_lot::{Mutex, RwLock};

pub(crate) use entity::{ADDRESS, Book, Bound, CLIENT, Entity, Kind, USER};
pub(crate) use meter::Meter;

use crate::options::QuotaWindows;
use rate::{Bucket, Rate, Window};

/// The catalog's word for quotas.
const WORD: &str = "quota";
/// Who has not said who they are.
pub(crate) const ANONYMOUS: &str = "ANONYMOUS";
/// The rates of so many users and clients are remembered; whoever makes up more names begins anew.
const SENSORS_MAX: usize = 10_000;

/// A rate of one share of one quota.
#[derive(Default)]
struct Sensor {
    rate: Rate,
    bucket: Bucket,
    used_ms: i64,
}

/// All quotas of the broker.
pub(crate) struct Quotas {
    clock: Arc<dyn Clock>,
    window: Window,
    controller_window: Window,
    book: RwLock<Book>,
    /// Without any quota nothing is measured.
    is_any: AtomicBool,
    sensors: Mutex<HashMap<(Kind, Vec<String>), Sensor>>,
}

impl Quotas {
    pub(crate) fn open(catalog: &Catalog, clock: Arc<dyn Clock>, windows: &QuotaWindows) -> Quotas {
        let mut book = Book::default();
        for name in catalog.names_with_settings(WORD) {
            let stored = catalog.settings_of(WORD, &name);
            let value = |kind: Kind| Some((kind, stored.get(kind.key())?.parse().ok()?));
            let values = Kind::ALL.into_iter().filter_map(value).collect();
            book.entries.insert(Entity::of_name(&name), values);
        }
        Quotas {
            clock,
            window: Window::new(windows.samples, windows.sample_s),
            controller_window: Window::new(windows.controller_samples, windows.controller_sample_s),
            is_any: AtomicBool::new(!book.entries.is_empty()),
            book: RwLock::new(book),
            sensors: Mutex::default(),
        }
    }

    pub(crate) fn is_any(&self) -> bool {
        self.is_any.load(Ordering::Relaxed)
    }

    /// Looks at every quota.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.book.read())
    }

    /// Stores what an entity's quotas are now, and puts it in force.
    pub(crate) async fn put(
        &self,
        catalog: &Catalog,
        entity: Entity,
        values: BTreeMap<Kind, f64>,
    ) -> Result<(), CatalogError> {
        let stored = values
            .iter()
            .map(|(kind, value)| (kind.key().to_owned(), value.to_string()));
        catalog
            .put_settings_of(WORD, &entity.to_name(), &stored.collect())
            .await?;
        let mut book = self.book.write();
        if values.is_empty() {
            book.entries.remove(&entity);
        } else {
            book.entries.insert(entity, values);
        }
        self.is_any.store(!book.entries.is_empty(), Ordering::Relaxed);
        Ok(())
    }

    fn bound(&self, kind: Kind, client: &str) -> Option<Bound> {
        if !self.is_any() {
            return None;
        }
        self.book.read().bound(kind, ANONYMOUS, client)
    }

    fn with<T>(&self, kind: Kind, shares: Vec<String>, change: impl FnOnce(&mut Sensor, i64) -> T) -> T {
        let now_ms = self.clock.monotonic().as_millis() as i64;
        let mut sensors = self.sensors.lock();
        let key = (kind, shares);
        if sensors.len() >= SENSORS_MAX && !sensors.contains_key(&key) {
            let oldest = sensors.iter().min_by_key(|(_, sensor)| sensor.used_ms);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                sensors.remove(&key);
            }
        }
        let sensor = sensors.entry(key).or_default();
        sensor.used_ms = now_ms;
        change(sensor, now_ms)
    }

    /// Counts produced bytes; how long the client is to wait.
    pub(crate) fn produce(&self, client: &str, bytes: usize) -> i32 {
        let Some((bound, shares)) = self.bound(Kind::Produce, client) else {
            return 0;
        };
        self.with(Kind::Produce, shares, |sensor, now_ms| {
            sensor.rate.record(bytes as f64, self.window, now_ms);
            clamped(sensor.rate.throttle_ms(bound, self.window, now_ms))
        })
    }

    /// Counts fetched bytes; what is too much is not counted, for it is not sent: the client asks again later.
    pub(crate) fn fetch(&self, client: &str, bytes: usize) -> i32 {
        let Some((bound, shares)) = self.bound(Kind::Fetch, client) else {
            return 0;
        };
        self.with(Kind::Fetch, shares, |sensor, now_ms| {
            sensor.rate.record(bytes as f64, self.window, now_ms);
            let throttle_ms = sensor.rate.throttle_ms(bound, self.window, now_ms);
            if throttle_ms > 0 {
                sensor.rate.unrecord(bytes as f64);
            }
            clamped(throttle_ms)
        })
    }

    /// The most one fetch may bring: what the whole window allows, or a large one could never be sent.
    pub(crate) fn fetch_bytes_max(&self, client: &str) -> usize {
        let whole_s = f64::from(self.window.samples.saturating_sub(1).max(1)) * self.window.sample_ms as f64 / 1_000.0;
        self.bound(Kind::Fetch, client)
            .map_or(usize::MAX, |(bound, _)| (bound * whole_s) as usize)
    }

    /// Whether the time spent on requests is of interest.
    pub(crate) fn measures_requests(&self, client: &str) -> bool {
        self.bound(Kind::Request, client).is_some()
    }

    /// Counts time spent on requests.
    pub(crate) fn request(&self, client: &str, spent_ns: u64) -> i32 {
        let Some((bound, shares)) = self.bound(Kind::Request, client) else {
            return 0;
        };
        let hundredths = spent_ns as f64 / 1e9 * 100.0;
        self.with(Kind::Request, shares, |sensor, now_ms| {
            sensor.rate.record(hundredths, self.window, now_ms);
            let throttle_ms = sensor.rate.throttle_ms(bound, self.window, now_ms);
            // As with Kafka never longer than a sample: time is not known before it is spent.
            clamped(throttle_ms.min(self.window.sample_ms))
        })
    }

    /// Before partitions are made or deleted; `Err` with how long to wait if nothing is left of the quota.
    pub(crate) fn may_mutate(&self, client: &str) -> Result<(), i32> {
        let Some((bound, shares)) = self.bound(Kind::Mutation, client) else {
            return Ok(());
        };
        let debt_ms = self.with(Kind::Mutation, shares, |sensor, now_ms| {
            sensor.bucket.debt_ms(bound, self.controller_window, now_ms)
        });
        if debt_ms > 0 { Err(clamped(debt_ms)) } else { Ok(()) }
    }

    /// Counts partitions made or deleted; how long the client is to wait.
    pub(crate) fn mutated(&self, client: &str, partitions: usize) -> i32 {
        let Some((bound, shares)) = self.bound(Kind::Mutation, client) else {
            return 0;
        };
        self.with(Kind::Mutation, shares, |sensor, now_ms| {
            sensor.bucket.debt_ms(bound, self.controller_window, now_ms);
            sensor.bucket.take(partitions as f64);
            clamped(sensor.bucket.debt_ms(bound, self.controller_window, now_ms))
        })
    }

    /// Whether an address may open another connection now; counts it if so.
    pub(crate) fn may_connect(&self, address: &str) -> bool {
        if !self.is_any() {
            return true;
        }
        let Some(bound) = self.book.read().connections(address) else {
            return true;
        };
        self.with(Kind::Connection, vec![address.to_owned()], |sensor, now_ms| {
            sensor.rate.record(1.0, self.window, now_ms);
            let is_over = sensor.rate.throttle_ms(bound, self.window, now_ms) > 0;
            if is_over {
                sensor.rate.unrecord(1.0);
            }
            !is_over
        })
    }
}

fn clamped(ms: i64) -> i32 {
    i32::try_from(ms).unwrap_or(i32::MAX)
}
