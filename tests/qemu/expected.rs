//! What the kernel has to find on a machine. It numbers the nodes as the firmware's table names them:
//! by the first of their processors, then those without.

use crate::machine::Machine;

/// The distance of a node to itself, and to another of which nothing is said.
const LOCAL: u8 = 10;
const REMOTE: u8 = 20;

impl Machine {
    /// The machine's numbers of the nodes, in the kernel's order.
    fn kernel_order(&self) -> Vec<usize> {
        let mut nodes: Vec<_> = (0..self.nodes.len()).collect();
        nodes.sort_by_key(|node| self.nodes[*node].cpus.clone().next().unwrap_or(u32::MAX));
        nodes
    }

    pub fn nr_cpus(&self) -> usize {
        self.cpus as usize
    }

    /// MiB of memory by node.
    pub fn memory_of_nodes(&self) -> Vec<u64> {
        if self.nodes.is_empty() {
            return vec![self.mib];
        }
        self.kernel_order().into_iter().map(|node| self.nodes[node].mib).collect()
    }

    /// The node of each processor.
    pub fn nodes_of_cpus(&self) -> Vec<usize> {
        let order = self.kernel_order();
        let has = |cpu: u32| move |node: &usize| self.nodes[*node].cpus.contains(&cpu);
        (0..self.cpus).map(|cpu| order.iter().position(has(cpu)).unwrap_or(0)).collect()
    }

    /// How far node `to` is from node `from`.
    pub fn distance(&self, from: usize, to: usize) -> u8 {
        if from == to {
            return LOCAL;
        }
        let order = self.kernel_order();
        self.distances.get(order[from]).map_or(REMOTE, |row| row[order[to]])
    }
}
