//! Which cores the load comes from, and how many threads make it.

use load_model::scenario::Scenario;

/// Cores of a list such as `1` or `2-3,6`, of those allowed; an empty list is all of them.
///
/// # Errors
/// When it is no list, or names a core that this process may not use.
pub fn of_list(list: &str, allowed: &[usize]) -> Result<Vec<usize>, String> {
    if list.trim().is_empty() || list.trim() == "all" {
        return Ok(allowed.to_vec());
    }
    let mut cores = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let numbers = (first.trim().parse::<usize>(), last.trim().parse::<usize>());
        let (Ok(first), Ok(last)) = numbers else {
            return Err(format!("cores {list:?}: write a list such as 1 or 2-3,6"));
        };
        for core in allowed.iter().copied().filter(|core| (first..=last).contains(core)) {
            if !cores.contains(&core) {
                cores.push(core);
            }
        }
        let missing = [first, last].into_iter().find(|core| !allowed.contains(core));
        if let Some(core) = missing {
            return Err(format!("cores {list:?}: this process may not use core {core}, but {}", print(allowed)));
        }
    }
    if cores.is_empty() { Err(format!("cores {list:?}: there is none in it")) } else { Ok(cores) }
}

fn print(cores: &[usize]) -> String {
    cores.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// How many threads a scenario is shared among: what it says, or one for each core; never more than there are links to share.
pub fn threads(scenario: &Scenario, cores: &[usize]) -> u32 {
    let wanted = if scenario.threads > 0 { scenario.threads } else { cores.len() };
    let links = scenario.groups.iter().map(|group| group.producers + group.consumers).max().unwrap_or(1);
    u32::try_from(wanted).unwrap_or(u32::MAX).clamp(1, links.max(1))
}

#[cfg(test)]
mod tests {
    use load_model::scenario::Group;

    use super::*;

    #[test]
    fn lists_name_cores_that_may_be_used() {
        assert_eq!(of_list("", &[0, 2]), Ok(vec![0, 2]));
        assert_eq!(of_list("2-3,0,3", &[0, 1, 2, 3]), Ok(vec![2, 3, 0]));
        for (list, told) in
            [("4", "core 4, but 0, 1"), ("0-9", "core 9"), ("a", "write a list"), ("1-0", "there is none")]
        {
            let error = of_list(list, &[0, 1]).expect_err(list);
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn there_are_as_many_threads_as_can_share_links() {
        let mut scenario = Scenario { groups: vec![Group::default()], ..Scenario::default() };
        assert_eq!(threads(&scenario, &[0, 1, 2, 3]), 2);
        assert_eq!(threads(&scenario, &[3]), 1);
        scenario.threads = 3;
        scenario.groups[0].consumers = 8;
        assert_eq!(threads(&scenario, &[3]), 3);
    }
}
