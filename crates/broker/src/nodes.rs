//! The brokers that clients see: one, or several node ids on ports of their own that are all this one process, for
//! software that insists on three.

use catalog::Topic;

use crate::Broker;

/// A broker as clients are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) id: i32,
    pub(crate) host: String,
    pub(crate) port: i32,
}

impl Broker {
    /// How many brokers there seem to be.
    pub(crate) fn node_count(&self) -> i32 {
        self.options.virtual_brokers.max(1)
    }

    fn node(&self, at: i32) -> Node {
        let first = i32::from(self.options.advertised_port);
        let port = match first {
            // As the listeners were served, one a node.
            0 => {
                let ports = self.ports.read();
                let own = usize::try_from(at).ok().and_then(|at| ports.get(at));
                own.or(ports.first()).map_or(0, |port| i32::from(*port))
            }
            first => first + at,
        };
        Node {
            id: self.options.node_id + at,
            host: self.options.advertised_host.clone(),
            port,
        }
    }

    /// Every broker, by id.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = Node> + '_ {
        (0..self.node_count()).map(|at| self.node(at))
    }

    /// Whether a broker has this id, as a client spells it.
    pub(crate) fn is_node(&self, id: &str) -> bool {
        id.parse::<i32>().is_ok_and(|id| self.has_node(id))
    }

    pub(crate) fn has_node(&self, id: i32) -> bool {
        (self.options.node_id..self.options.node_id + self.node_count()).contains(&id)
    }

    /// Who looks after a group or a transactional id.
    pub(crate) fn coordinator_of(&self, key: &str) -> Node {
        let spread = key.bytes().fold(0_u32, |spread, byte| {
            spread.wrapping_mul(31).wrapping_add(u32::from(byte))
        });
        self.node((spread % self.node_count() as u32) as i32)
    }

    /// The brokers that have a partition, its leader first: as many as were asked for and there are.
    pub(crate) fn replicas_of(&self, topic: &Topic, partition: usize) -> Vec<i32> {
        if let Some(assigned) = topic.assignments.get(&(partition as i32)) {
            // There may be fewer brokers now than when that was said.
            let known: Vec<i32> = assigned.iter().copied().filter(|id| self.has_node(*id)).collect();
            if !known.is_empty() {
                return known;
            }
        }
        let count = self.node_count() as usize;
        let first = usize::from(topic.id[15]) + partition;
        let replicas = usize::try_from(topic.replication_factor).unwrap_or(1).clamp(1, count);
        (0..replicas)
            .map(|at| self.options.node_id + ((first + at) % count) as i32)
            .collect()
    }
}
