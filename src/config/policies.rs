//! Policies of a file of qdrouterd's, made into what a router goes by: its sections `policy` and `vhost`, and files with further vhosts.
//!
//! Guarantee: what is wrong with any of them is told at once, each with its file, its line and what to do. Nothing of a policy is left out:
//! what cannot be kept refuses the file.
//!
//! It reads files and looks up names of hosts; it changes nothing.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use engine_policy::limits::VHOSTS_MAX;
use engine_policy::{Addresses, Bounds, Group, Host, Hosts, Naming, Policy, Rights, Rules, Unknown, Vhost};
use engine_router_conf::{Configuration, Place as Line, sections};

use super::fault::{Faults, Origin};
use super::routed::origin;
use super::router::read_router;

/// What a router's policy says.
#[derive(Clone, Debug)]
pub struct Policies {
    /// Connections at once, whoever has them.
    pub connections: u32,
    /// Who may connect, and what he may do then; `None`: everybody may do everything.
    pub rules: Option<Rules>,
}

/// Where faults and warnings go.
struct Reading<'a> {
    faults: &'a mut Faults,
    warnings: &'a mut Vec<String>,
}

/// Reads the policy of a file; `asked` is who names the file.
pub fn read(path: &Path, asked: &Origin, told: (&mut Faults, &mut Vec<String>)) -> Option<Policies> {
    let mut reading = Reading { faults: told.0, warnings: told.1 };
    let configuration = reading.file(path, asked)?;
    let policy = &configuration.policy;
    let mut policies = Policies { connections: policy.max_connections, rules: None };
    if policy.enables_vhost_policy {
        let (vhosts, lines) = reading.vhosts(&configuration);
        policies.rules = Some(reading.rules(policy, vhosts, &lines));
    }
    Some(policies)
}

impl Reading<'_> {
    fn fault(&mut self, line: &Line, text: impl Into<String>) {
        self.faults.add(origin(line), text);
    }

    /// What a file says, if it is right.
    fn file(&mut self, path: &Path, asked: &Origin) -> Option<Configuration> {
        let reading = match read_router(path) {
            Ok(reading) => reading,
            Err(why) => {
                self.faults.add(asked.clone(), why);
                return None;
            }
        };
        match reading.configuration {
            Ok(configuration) => Some(configuration),
            Err(wrong) => {
                for fault in wrong.iter() {
                    self.fault(&fault.place, format!("{}: {}", fault.wrong, fault.advice));
                }
                None
            }
        }
    }

    /// All vhosts with their lines, those of further files too.
    fn vhosts(&mut self, configuration: &Configuration) -> (Vec<Vhost>, Vec<Line>) {
        let policy = &configuration.policy;
        let mut found: Vec<_> = configuration.vhosts.iter().map(|vhost| self.vhost(vhost)).collect();
        for path in self.further(policy) {
            let Some(further) = self.file(&path, &origin(&policy.origin.place)) else { continue };
            // What holds anyway is there once: sections that a file does not have stand in no line.
            for said in further.said().iter().filter(|said| said.section != "vhost" && said.origin.place.line > 0) {
                let text = format!("{}: a file of policy.policyDir has vhosts only: leave it out", said.origin.name);
                self.fault(&said.origin.place, text);
            }
            found.extend(further.vhosts.iter().map(|vhost| self.vhost(vhost)));
        }
        found.into_iter().unzip()
    }

    /// The files of the policy's directory, by name.
    fn further(&mut self, policy: &sections::Policy) -> Vec<PathBuf> {
        let folder = &policy.policy_dir;
        if folder.as_os_str().is_empty() {
            return Vec::new();
        }
        let place = &policy.origin.place;
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                let text = format!("policy.policyDir is {}: {error}: mend the path, or leave it out", folder.display());
                self.fault(place, text);
                return Vec::new();
            }
        };
        let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let is_json = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
        let mut paths: Vec<PathBuf> = paths.filter(is_json).take(VHOSTS_MAX + 1).collect();
        if paths.len() > VHOSTS_MAX {
            self.fault(place, format!("policy.policyDir has more than {VHOSTS_MAX} files: join some"));
        }
        paths.sort();
        paths
    }

    fn vhost(&mut self, from: &sections::Vhost) -> (Vhost, Line) {
        let bounds = &from.bounds;
        let vhost = Vhost {
            name: bounds.hostname.clone(),
            aliases: listed(bounds.aliases.as_deref()),
            connections: bounds.max_connections,
            connections_per_user: bounds.max_connections_per_user,
            connections_per_host: bounds.max_connections_per_host,
            message_octets: bounds.max_message_size,
            unknown: if bounds.allows_unknown_user { Unknown::Default } else { Unknown::Denied },
            groups: from.groups.iter().map(|group| self.group(group)).collect(),
        };
        (vhost, from.origin.place.clone())
    }

    fn group(&mut self, from: &sections::Group) -> Group {
        let rights = &from.rights;
        Group {
            name: from.origin.name.clone(),
            users: listed(from.users.as_deref()),
            hosts: self.hosts(from),
            connections_per_user: from.max_connections_per_user,
            connections_per_host: from.max_connections_per_host,
            bounds: Bounds {
                frame_octets: from.max_frame_size,
                window_octets: from.max_session_window,
                sessions: from.max_sessions,
                senders: from.max_senders,
                receivers: from.max_receivers,
                message_octets: from.max_message_size,
            },
            rights: Rights {
                dynamic_source: rights.dynamic_source,
                anonymous_sender: rights.anonymous_sender,
                user_id_proxy: rights.user_id_proxy,
                waypoint_links: rights.waypoint_links,
                fallback_links: rights.fallback_links,
                dynamic_link_routes: rights.dynamic_link_routes,
                admin_status_update: rights.admin_status_update,
            },
            sources: self.addresses(from, ["sources", "sourcePattern"], &rights.sources, &rights.source_pattern),
            targets: self.addresses(from, ["targets", "targetPattern"], &rights.targets, &rights.target_pattern),
        }
    }

    fn hosts(&mut self, group: &sections::Group) -> Hosts {
        let mut hosts = Hosts::default();
        for text in listed(group.remote_hosts.as_deref()) {
            let added = Host::new(&text).and_then(|host| hosts.add(host, lookup));
            if let Err(wrong) = added {
                self.fault(
                    &group.origin.place,
                    format!("remoteHosts of group {}: {text:?}: {wrong}", group.origin.name),
                );
            }
        }
        hosts
    }

    /// The addresses of a group, by names or by patterns; a group has not both.
    fn addresses(
        &mut self,
        group: &sections::Group,
        called: [&str; 2],
        names: &Option<Vec<String>>,
        patterns: &Option<Vec<String>>,
    ) -> Addresses {
        let (read, called) = match patterns {
            Some(patterns) => (Addresses::of_patterns(listed(Some(patterns)).iter().map(String::as_str)), called[1]),
            None => (Addresses::of_names(listed(names.as_deref()).iter().map(String::as_str)), called[0]),
        };
        read.unwrap_or_else(|wrong| {
            self.fault(&group.origin.place, format!("{called} of group {}: {wrong}", group.origin.name));
            Addresses::default()
        })
    }

    fn rules(&mut self, policy: &sections::Policy, vhosts: Vec<Vhost>, lines: &[Line]) -> Rules {
        let place = &policy.origin.place;
        if vhosts.is_empty() {
            self.warnings
                .push(format!("{place}: policy.enableVhostPolicy is yes, and there is no vhost: nobody may connect"));
        }
        let default = &policy.default_vhost;
        let is_there = default == "$default" || vhosts.iter().any(|vhost| vhost.name == *default);
        if !default.is_empty() && !is_there {
            let text = format!(
                "policy.defaultVhost is {default:?}, and there is no such vhost: write a vhost section for it, or mend the name"
            );
            self.fault(place, text);
        }
        let naming = if policy.enables_vhost_name_patterns { Naming::Patterns } else { Naming::Exact };
        let rules = Rules { vhosts, naming, default_vhost: default.clone(), message_octets: policy.max_message_size };
        for wrong in Policy::new(rules.clone()).err().into_iter().flatten() {
            let line = lines.get(wrong.vhost).unwrap_or(place);
            self.fault(line, wrong.text);
        }
        rules
    }
}

/// The entries of a list; an empty one is what a list without any is written as.
fn listed(entries: Option<&[String]>) -> Vec<String> {
    entries.unwrap_or_default().iter().filter(|entry| !entry.is_empty()).cloned().collect()
}

/// The addresses of a host.
fn lookup(name: &str) -> Vec<IpAddr> {
    (name, 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
