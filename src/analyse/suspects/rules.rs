//! What has to be reached for a suspicion: thresholds, in `config/suspects.toml`.

use std::sync::OnceLock;

use serde::Deserialize;

const RULES: &str = include_str!("../../../config/suspects.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    pub(super) accumulation: Enough,
    pub(super) growth: Enough,
    pub(super) told: Told,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Enough {
    pub(super) bytes: u64,
    pub(super) share: f64,
    pub(super) objects: usize,
    pub(super) of_one_type: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    pub(super) most: usize,
}

impl Rules {
    pub(super) fn get() -> &'static Rules {
        static PARSED: OnceLock<Rules> = OnceLock::new();
        PARSED
            .get_or_init(|| toml::from_str(RULES).expect("the rules are a constant that every test of a suspect reads"))
    }
}
