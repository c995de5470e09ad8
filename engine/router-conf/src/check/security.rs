//! Profiles, and vhosts: what is there twice, what nobody can name, and what connectors need.

use std::collections::BTreeMap;

use crate::fault::{Doubt, Findings, shown};
use crate::groups;
use crate::schema::VHOST;
use crate::sections::SslProfile;
use crate::similar::most_similar;
use crate::whole::{Built, Whole};

/// The group that holds connectors.
const CONNECTOR_GROUP: &str = "$connector";
/// The group of users without one.
const DEFAULT_GROUP: &str = "$default";

pub(super) fn check(whole: &Whole, findings: &mut Findings) {
    check_profiles(whole, findings);
    let hosts = check_hosts(whole, findings);
    check_policy_of_connectors(whole, &hosts, findings);
}

/// What is wrong and doubtful about a profile.
pub(super) fn check_profile(profile: &Built<SslProfile>, findings: &mut Findings) {
    let (section, attributes) = (&profile.section, &profile.attributes);
    if attributes.given("name").is_none() {
        findings.warn(attributes.line, Doubt::Questionable, || {
            "this sslProfile has no 'name': no listener and no connector can name it".to_owned()
        });
    }
    if section.password.is_some() && section.password_file.is_some() {
        findings.fault(attributes.line_of("passwordFile"), || {
            let advice = "write one of both: `password: file:PATH` is the first line of a file";
            ("sslProfile has 'password' and 'passwordFile'".to_owned(), advice.to_owned())
        });
    }
}

fn check_profiles(whole: &Whole, findings: &mut Findings) {
    whole.ssl_profiles.iter().for_each(|profile| check_profile(profile, findings));
    for plugin in whole.auth_service_plugins.iter().filter(|plugin| plugin.section.host.is_none()) {
        findings.fault(plugin.attributes.line, || {
            let advice = "add `host: …`, the address or name of the service";
            ("authServicePlugin has no 'host'".to_owned(), advice.to_owned())
        });
    }
}

/// All host names of vhosts with the place of their vhost; one that two have is a fault.
fn check_hosts<'a>(whole: &'a Whole, findings: &mut Findings) -> BTreeMap<&'a str, usize> {
    let mut hosts: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, vhost) in whole.vhosts.iter().enumerate() {
        let bounds = &vhost.section.bounds;
        let aliases = bounds.aliases.iter().flatten();
        for host in std::iter::once(&bounds.hostname).chain(aliases) {
            let before = hosts.insert(host, index).filter(|before| *before != index);
            let before = before.and_then(|before| whole.vhosts.get(before));
            if let Some(before) = before {
                findings.fault(vhost.attributes.line, || {
                    let wrong =
                        format!("the vhost of line {} has the host name {} too", before.attributes.line, shown(host));
                    (wrong, "leave it out in one of them".to_owned())
                });
            }
        }
        if bounds.hostname.is_empty() {
            findings.fault(vhost.attributes.line_of("hostname"), || {
                let advice = "write the host name that clients connect to, or $default";
                ("'hostname' of vhost is empty".to_owned(), advice.to_owned())
            });
        }
        if bounds.allows_unknown_user && !groups::has(vhost, DEFAULT_GROUP) {
            findings.warn(vhost.attributes.line_of("allowUnknownUser"), Doubt::Questionable, || {
                format!("'allowUnknownUser' of vhost is yes, and there is no group {DEFAULT_GROUP}: unknown users are refused")
            });
        }
    }
    hosts
}

/// A connector with a policy needs the vhost, and a group for connectors in it. Vhosts of the policy directory are not known here.
fn check_policy_of_connectors(whole: &Whole, hosts: &BTreeMap<&str, usize>, findings: &mut Findings) {
    let has_directory = whole.policy.as_ref().is_none_or(|policy| !policy.section.policy_dir.as_os_str().is_empty());
    for connector in &whole.connectors {
        let Some(name) = connector.section.passage.policy_vhost.as_deref() else { continue };
        let line = connector.attributes.line_of("policyVhost");
        match hosts.get(name).and_then(|index| whole.vhosts.get(*index)) {
            Some(vhost) if !groups::has(vhost, CONNECTOR_GROUP) => findings.fault(line, || {
                let wrong =
                    format!("'policyVhost' of connector is {}, which has no group {CONNECTOR_GROUP}", shown(name));
                (wrong, format!("add the group {CONNECTOR_GROUP} to the vhost, with what the other end may do"))
            }),
            Some(_) => {}
            None if has_directory || whole.names.has(&VHOST, &format!("{}/{name}", VHOST.section)) => {}
            None => findings.fault(line, || {
                let wrong = format!("'policyVhost' of connector is {}, and there is no such vhost", shown(name));
                let advice = match most_similar(name, hosts.keys().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("write a vhost section with that hostname and a group {CONNECTOR_GROUP}"),
                };
                (wrong, advice)
            }),
        }
    }
}
