//! Rows of what there is little of, or what this thread knows itself: the router, its policy, addresses, and the log.

use engine_management::Answer;
use engine_message::value::Value;
use engine_router::set::RouterIndex;
use engine_router::table::Address;
use engine_router::{RouterId, Treatment, address::Key};
use engine_router_conf::schema::EntityType;
use engine_router_conf::words::Mode;
use engine_router_management::{Row, types};

use super::window::Window;
use super::{RouterAgent, silent, text};
use crate::node::NodeView;

/// Addresses that the router itself serves: those of management.
const OWN: [&str; 2] = ["M0$management", "L$management"];

fn number(number: u64) -> Value {
    Value::Ulong(number)
}

fn uint(number: usize) -> Value {
    Value::Uint(u32::try_from(number).unwrap_or(u32::MAX))
}

impl RouterAgent {
    /// Offers the router: what it was told, and what it counted.
    pub(super) fn router(&self, of: &'static EntityType, window: &mut Window<'_>) -> Result<(), Answer> {
        let view = self.node.view().map_err(silent)?;
        for entity in self.configuration().entities(of) {
            window.offer(|| self.counted(Row::of_entity(entity), &view));
        }
        Ok(())
    }

    fn counted(&self, row: Row, view: &NodeView) -> Row {
        let sum = |of: fn(&node_shell::ShardView) -> u64| number(view.shards.iter().map(|on| of(&on.view)).sum());
        let from: fn(&node_shell::ShardView) -> engine_home::Passed = |shard| shard.passage.from_peers;
        let passed =
            view.shards.iter().map(|on| from(&on.view)).fold(engine_home::Passed::default(), engine_home::Passed::and);
        let dropped = |shard: &node_shell::ShardView| {
            shard.router.map_or(0, |router| router.deliveries.dropped + router.deliveries.dropped_late)
        };
        let addresses = self.table.table().iter().count() + OWN.len();
        let configuration = self.configuration();
        row.with("area", text("0"))
            .with("version", text(env!("CARGO_PKG_VERSION")))
            .with("addrCount", number(addresses as u64))
            .with("linkCount", sum(|shard| shard.counts.links as u64))
            .with("nodeCount", number(self.routers().len().saturating_sub(1) as u64))
            .with("linkRouteCount", number(configuration.link_routes.len() as u64))
            .with("autoLinkCount", number(configuration.auto_links.len() as u64))
            .with("connectionCount", sum(|shard| shard.counts.connections as u64))
            .with("presettledDeliveries", number(passed.presettled))
            .with("droppedPresettledDeliveries", number(view.shards.iter().map(|on| dropped(&on.view)).sum()))
            .with("acceptedDeliveries", number(passed.accepted))
            .with("rejectedDeliveries", number(passed.rejected))
            .with("releasedDeliveries", number(passed.released))
            .with("modifiedDeliveries", number(passed.modified))
            .with("deliveriesTransit", number(0))
            .with("deliveriesRedirectedToFallback", number(0))
            .with("deliveriesIngress", number(passed.messages))
            .with("deliveriesEgress", sum(|shard| shard.passage.to_peers.messages))
            .with("uptimeSeconds", Value::Uint(u32::try_from(view.uptime_ms / 1000).unwrap_or(u32::MAX)))
            .with("memoryUsage", number(view.process.virtual_bytes))
            .with("workerThreads", Value::Int(i32::try_from(view.shards.len()).unwrap_or(i32::MAX)))
    }

    /// Offers the policy: what it was told, and whom it refused.
    pub(super) fn policy(&self, of: &'static EntityType, window: &mut Window<'_>) -> Result<(), Answer> {
        let view = self.node.view().map_err(silent)?;
        let sum = |of: fn(&node_shell::ShardView) -> u64| view.shards.iter().map(|on| of(&on.view)).sum::<u64>();
        let denied = sum(|shard| shard.refused_connections);
        for entity in self.configuration().entities(of) {
            window.offer(|| {
                Row::of_entity(entity)
                    .with("connectionsDenied", number(denied))
                    .with("connectionsCurrent", number(sum(|shard| shard.counts.connections as u64)))
                    .with("totalDenials", number(denied))
            });
        }
        Ok(())
    }

    /// Offers addresses: those of the router itself, then those of the table, in an order that stays as long as nothing comes or goes.
    pub(super) fn addresses(&self, window: &mut Window<'_>) -> Result<(), Answer> {
        let begin = window.found();
        self.offer_addresses(window);
        // Shards are asked for what is told, and not for all.
        let rows = window.rows_from(begin);
        let keys = rows.iter().filter_map(|row| row.get("key").and_then(Value::as_text).map(str::to_owned));
        let carried = self.node.carried(&keys.collect::<Vec<_>>()).map_err(silent)?;
        for (row, carried) in rows.iter_mut().zip(carried) {
            row.set("deliveriesIngress", number(carried.from_peers));
            row.set("deliveriesEgress", number(carried.to_peers));
        }
        Ok(())
    }

    /// Routers of the network, this one first, as long as it has met no other, too; none if it is of no network.
    fn routers(&self) -> Vec<(RouterIndex, RouterId)> {
        let table = self.table.table();
        let routes = table.routes();
        let found: Vec<_> = RouterIndex::all().filter_map(|index| Some((index, routes.id(index)?.clone()))).collect();
        if found.is_empty() { self.unmet().into_iter().collect() } else { found }
    }

    /// This router, if it is of a network. The table has it only from the first neighbour on.
    fn unmet(&self) -> Option<(RouterIndex, RouterId)> {
        let router = &self.configuration().router;
        let id = router.id.as_deref().filter(|_| router.mode == Mode::Interior)?;
        Some((RouterIndex::SELF, RouterId::new(id)?))
    }

    /// Where each router of the network is managed.
    pub(super) fn nodes(&self) -> Vec<Value> {
        let address = |(_, id): (RouterIndex, RouterId)| text(&format!("amqp:/_topo/0/{}/$management", id.as_str()));
        self.routers().into_iter().map(address).collect()
    }

    /// Offers routers of the network.
    pub(super) fn offer_nodes(&self, window: &mut Window<'_>) {
        let table = self.table.table();
        let routes = table.routes();
        let id_of = |index: RouterIndex| routes.id(index).map(|id| text(id.as_str()));
        for (index, id) in self.routers() {
            let path = routes.path(index);
            let is_neighbour = routes.neighbour(index).is_some();
            let next_hop = match (index, path) {
                (RouterIndex::SELF, _) => text("(self)"),
                (_, Some(path)) if !is_neighbour => id_of(path.next_hop).unwrap_or(Value::Null),
                _ => Value::Null,
            };
            let origins = path.into_iter().flat_map(|path| path.valid_origins.iter()).filter_map(id_of);
            let neighbours = RouterIndex::all().filter(|other| routes.neighbour(*other).is_some()).filter_map(id_of);
            let own = index == RouterIndex::SELF;
            let row = Row::new(&types::NODE, id.as_str(), &format!("router.node/{}", id.as_str()))
                .with("id", text(id.as_str()))
                .with("protocolVersion", Value::Ulong(1))
                .with("nextHop", next_hop)
                .with("validOrigins", Value::List(origins.collect()))
                .with("address", text(&format!("amqp:/_topo/0/{}", id.as_str())))
                .with("cost", path.map_or(Value::Null, |path| number(path.cost)))
                // Of several connections to a neighbour one is used, which has the neighbour's number.
                .with("routerLink", if is_neighbour { uint(index.number()) } else { Value::Null })
                .with("index", uint(index.number()));
            // What others said of their neighbours is not in the table that messages go by.
            let row = if own { row.with("linkState", Value::List(neighbours.collect())) } else { row };
            window.offer(|| row);
        }
    }

    fn offer_addresses(&self, window: &mut Window<'_>) {
        for key in OWN {
            window.offer(|| {
                address(key, "closest")
                    .with("inProcess", Value::Uint(1))
                    .with("subscriberCount", Value::Uint(0))
                    .with("remoteCount", Value::Uint(0))
            });
        }
        let table = self.table.table();
        for (key, entry) in table.iter() {
            if window.is_full() {
                return;
            }
            window.offer(|| self.address(key, entry, table.rules().rule(key.name()).and_then(|rule| rule.priority)));
        }
    }

    fn address(&self, key: &Key, entry: &Address, priority: Option<u8>) -> Row {
        address(key.as_str(), distribution(entry.treatment))
            .with("inProcess", Value::Uint(0))
            .with("subscriberCount", uint(entry.local.len()))
            .with("remoteCount", Value::Uint(entry.routers.count()))
            .with("priority", Value::Int(priority.map_or(-1, i32::from)))
    }
}

fn address(key: &str, distribution: &str) -> Row {
    Row::new(&types::ADDRESS, key, key)
        .with("key", text(key))
        .with("distribution", text(distribution))
        .with("containerCount", Value::Uint(0))
        .with("deliveriesTransit", number(0))
        .with("deliveriesToContainer", number(0))
        .with("deliveriesFromContainer", number(0))
        .with("deliveriesRedirectedToFallback", number(0))
        .with("remoteHostRouters", Value::List(Vec::new()))
        .with("priority", Value::Int(-1))
}

fn distribution(treatment: Treatment) -> &'static str {
    match treatment {
        Treatment::Flood => "flood",
        Treatment::Multicast => "multicast",
        Treatment::Closest => "closest",
        Treatment::Balanced => "balanced",
        Treatment::LinkBalanced => "linkBalanced",
        Treatment::Unavailable => "unavailable",
    }
}
