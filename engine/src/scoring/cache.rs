//! Models as they were read, kept for the next batch that has rows of their groups.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use shoal_ml::model::{Estimator, Feature, FeatureKind, Model};
use xxhash_rust::xxh3::xxh3_128;

use super::{FeatureColumn, Outcome};

/// Bytes of stored models that are kept decoded. In memory a model takes a few times as much.
const CACHE_BYTES: usize = 64 << 20;

/// A model that was read, or why it cannot be used.
pub(super) type Loaded = Result<Ready, String>;

/// A model that fits the columns at hand.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) model: Model,
    /// For each of its features the place among the columns.
    pub(super) places: Vec<usize>,
    /// Whether a missing value of the feature makes the prediction missing.
    pub(super) is_needed: Vec<bool>,
}

/// Models by a hash of their bytes.
#[derive(Debug, Default)]
pub(super) struct Cache {
    models: Mutex<Models>,
}

#[derive(Debug, Default)]
struct Models {
    loaded: HashMap<u128, Arc<Loaded>>,
    bytes: usize,
}

impl Cache {
    /// The model of these bytes, read once as long as there is room.
    pub(super) fn get(&self, bytes: &[u8], features: &[FeatureColumn], outcome: Outcome) -> Arc<Loaded> {
        let hash = xxh3_128(bytes);
        if let Some(loaded) = self.lock().loaded.get(&hash) {
            return Arc::clone(loaded);
        }
        // Read without the lock: two may do the same, and none waits for another.
        let loaded = Arc::new(load(bytes, features, outcome));
        let mut models = self.lock();
        if models.bytes > CACHE_BYTES {
            // Rows come in no order of their groups: none is known to be asked for sooner than another.
            *models = Models::default();
        }
        models.bytes += bytes.len();
        models.loaded.insert(hash, Arc::clone(&loaded));
        loaded
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Models> {
        // What a panic may have left half done is a map of whole models all the same.
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load(bytes: &[u8], features: &[FeatureColumn], outcome: Outcome) -> Loaded {
    let model = Model::decode(bytes).map_err(|error| format!("model_unreadable: {error}"))?;
    match (outcome, model.classes.is_empty()) {
        (Outcome::Number, true) | (Outcome::Classes, false) => {}
        (_, true) => return Err("model_differs: it predicts a number".to_owned()),
        (_, false) => return Err("model_differs: it predicts classes".to_owned()),
    }
    let place = |feature: &Feature| {
        let is_category = matches!(feature.kind, FeatureKind::Categories(_));
        let same = |column: &FeatureColumn| column.name == feature.name && column.is_category == is_category;
        let place = features
            .iter()
            .position(same)
            .ok_or_else(|| format!("model_differs: it predicts from `{}` too, which others do not", feature.name))?;
        if features[place].is_of(feature) {
            return Ok(place);
        }
        let made_by = feature.expression.as_deref().unwrap_or("a column");
        Err(format!("model_differs: its `{}` is {made_by}, and that of others is not", feature.name))
    };
    let places = model.features.iter().map(place).collect::<Result<_, String>>()?;
    let is_needed = needed(&model);
    Ok(Ready { model, places, is_needed })
}

/// Of a linear model those features whose terms have a coefficient; trees and means do without any value.
fn needed(model: &Model) -> Vec<bool> {
    match &model.estimator {
        Estimator::Linear(linear) => {
            let terms: BTreeSet<&str> = linear.terms.iter().map(String::as_str).collect();
            let has_term = |feature: &Feature| feature.terms().iter().any(|term| terms.contains(term.as_str()));
            model.features.iter().map(has_term).collect()
        }
        Estimator::Mean(_) | Estimator::Forest(_) | Estimator::Boosting(_) => vec![false; model.features.len()],
    }
}
