//! What is compared with: tasks that do nothing, run by peers on the cores that Shoal's cases have.

use shoal_benches::BenchResult;
use shoal_benches::figures::Figure;
use shoal_benches::processes::{Environment, python};

/// A peer and how much it is given to do: enough for some seconds.
pub(crate) struct Peer {
    case: &'static str,
    script: &'static str,
    tasks: u32,
}

/// Every peer.
pub(crate) const ALL: [Peer; 3] = [
    Peer { case: "Spark: tasks of a stage, in one JVM", script: "control_spark.py", tasks: 10_000 },
    Peer { case: "Ray Core: remote calls", script: "control_ray_core.py", tasks: 10_000 },
    Peer { case: "Ray Tune: trials", script: "control_ray_tune.py", tasks: 200 },
];

/// Runs that count; one more warms up.
const RUNS: u32 = 3;

impl Peer {
    /// Tasks per second.
    pub(crate) fn measure(&self) -> BenchResult<Figure> {
        let cores = std::thread::available_parallelism()?;
        let arguments = [self.tasks.to_string(), cores.to_string(), RUNS.to_string()];
        let runs = python(Environment::Peers, self.script, &arguments.each_ref().map(String::as_str))?;
        Ok(Figure::of_peer(self.case, f64::from(self.tasks) / runs.median(), "1/s"))
    }
}
