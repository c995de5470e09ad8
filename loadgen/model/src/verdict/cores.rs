//! Which cores the server and the load have, and what to type so that each has its own.

use crate::result::RunResult;

impl RunResult {
    /// How to give the generator more of a processor: a command that can be typed as it is, as far as the machine is known.
    pub fn core_advice(&self) -> String {
        let cores = &self.machine.cores;
        if !self.workers.is_empty() {
            return "give the workers more cores (`heddle load worker --cores LIST`), or name more of them (`heddle load run --workers \
                    HOST:PORT,…`)"
                .to_owned();
        }
        if !self.server.local {
            return "give the generator more cores (`heddle load run --cores LIST`), or load from more machines (`heddle load worker`)"
                .to_owned();
        }
        if cores.len() < 2 {
            return "this process may use one core only: load from another machine (`heddle load worker` there, `heddle load run \
                    --workers HOST:PORT` here)"
                .to_owned();
        }
        let (server, load) = cores.split_at(cores.len() / 2);
        if !self.has_own_cores() {
            return format!(
                "give the server and the load cores of their own: {} and `heddle load run --cores {}`",
                self.start_on(server),
                list(load)
            );
        }
        "the load and the server have cores of their own already: give the load more of them (`heddle load run --cores LIST`), or load from \
         more machines (`heddle load worker`)"
            .to_owned()
    }

    /// Whether the load was told its cores, and the server was not seen on them.
    fn has_own_cores(&self) -> bool {
        !self.scenario.cores.is_empty() && self.server.shared_cores.is_empty()
    }

    /// The command that starts the server on some cores.
    fn start_on(&self, cores: &[usize]) -> String {
        let is_heddle = self.server.product.to_lowercase().contains("heddle");
        if is_heddle {
            format!("`heddle run --cores {}`", list(cores))
        } else {
            format!("`taskset -c {} SERVER`", list(cores))
        }
    }
}

/// Cores as options take them: `0-3,6`.
pub(super) fn list(cores: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &core in cores {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == core => *last = core,
            _ => ranges.push((core, core)),
        }
    }
    let print = |(first, last): (usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.into_iter().map(print).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use crate::sample::Sample;

    #[test]
    fn the_advice_is_a_command_for_this_machine() {
        let mut run = Sample::default().unjudged();
        assert!(
            run.core_advice().contains("`heddle run --cores 0` and `heddle load run --cores 1`"),
            "{}",
            run.core_advice()
        );
        run.machine.cores = vec![0, 1, 2, 3, 6, 7];
        assert!(run.core_advice().contains("`heddle run --cores 0-2` and `heddle load run --cores 3,6-7`"));
        run.server.product = "another".to_owned();
        assert!(run.core_advice().contains("`taskset -c 0-2 SERVER`"));
        run.scenario.cores = "3".to_owned();
        assert!(run.core_advice().contains("more of them"), "{}", run.core_advice());
        run.server.shared_cores = vec![3];
        assert!(run.core_advice().contains("--cores 3,6-7"));
        run.machine.cores = vec![0];
        assert!(run.core_advice().contains("load from another machine"));
        run.server.local = false;
        assert!(run.core_advice().contains("`heddle load worker`"));
    }
}
