//! The simulated world that a run without data observes, and the truth behind it.

use std::collections::{BTreeMap, HashMap};

use churn_events::Event;
use churn_simulator::{TenantHistory, World, WorldOptions};
use churn_training_data::{Assembled, Assembler, LabelRule, ObservationPlan, TrainingSet};
use rayon::prelude::*;

use crate::Error;
use crate::console::Console;

/// Tenants that are simulated before their events are taken in: enough for all cores, few enough for memory.
const CHUNK_TENANTS: u32 = 64;

/// What a run without data is trained on.
pub(crate) const NAME: &str = "a simulated world";

/// A simulated world, asked for the truth about tenants by their ids.
#[derive(Debug)]
pub(crate) struct KnownWorld {
    world: World,
    index_of_tenant: HashMap<String, u32>,
}

/// Simulates a world and observes it.
///
/// # Errors
/// When the options make no world, or nothing of it can be observed.
pub(crate) fn assemble(
    options: &WorldOptions,
    plan: &ObservationPlan,
    console: &Console,
) -> Result<(Assembled, KnownWorld), Error> {
    let world = World::new(options)?;
    let mut assembler = Assembler::new(plan.clone(), Some(world.end()))?;
    let mut index_of_tenant = HashMap::new();
    let bar = console.progress("simulating and observing tenants", world.n_tenants() as usize);
    for first in (0..world.n_tenants()).step_by(CHUNK_TENANTS as usize) {
        let indices = first..(first + CHUNK_TENANTS).min(world.n_tenants());
        let histories: Vec<TenantHistory> =
            indices.clone().into_par_iter().map(|tenant| world.tenant(tenant)).collect();
        let events: Vec<Event<'_>> = histories.iter().flat_map(TenantHistory::events).collect();
        assembler.apply_all(&events);
        bar.inc(histories.len() as u64);
        index_of_tenant.extend(histories.iter().map(|history| history.id().to_owned()).zip(indices));
    }
    bar.finish_and_clear();
    let assembled = assembler.finish()?;
    Ok((assembled, KnownWorld { world, index_of_tenant }))
}

impl KnownWorld {
    /// The true churn probability of these observations; `None` where the label rule asks for something else than what
    /// the world decides.
    pub(crate) fn truth(&self, set: &TrainingSet, rows: &[usize], plan: &ObservationPlan) -> Option<Vec<f64>> {
        if plan.rule != LabelRule::Cancelled {
            return None;
        }
        let mut positions_of_tenant: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (position, &row) in rows.iter().enumerate() {
            let (tenant, _) = set.keys().observation(row)?;
            positions_of_tenant.entry(*self.index_of_tenant.get(tenant)?).or_default().push(position);
        }
        let graded: Option<Vec<Vec<(usize, f64)>>> = positions_of_tenant
            .into_par_iter()
            .map(|(tenant, positions)| {
                let truth = self.world.truth(tenant);
                let grade = |position: usize| {
                    let (_, date) = set.keys().observation(rows[position])?;
                    Some((position, truth.churn_probability(date, plan.gap_days, plan.horizon_days)?))
                };
                positions.into_iter().map(grade).collect()
            })
            .collect();
        let mut probabilities = vec![f64::NAN; rows.len()];
        graded?.into_iter().flatten().for_each(|(position, probability)| probabilities[position] = probability);
        Some(probabilities)
    }
}
