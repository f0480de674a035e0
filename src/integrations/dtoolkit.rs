//! Flattened device trees, read by the crate `dtoolkit` (0.4).

use crate::boot::{
    LOCAL_DISTANCE, MemoryKind, MemoryRegion, NodeRange, REMOTE_DISTANCE, Reservation,
};
use crate::{NodeId, PhysAddr};
use ::dtoolkit::fdt::{Fdt, FdtNode, FdtProperty};
use ::dtoolkit::standard::{AddressSpaceProperties, NodeStandard};
use ::dtoolkit::{Node, Property, ToCellInt};
use core::fmt;

/// Why a device tree can't be used.
///
/// ```
/// use page_alloc::integrations::dtoolkit::DamagedTree;
/// assert_eq!(DamagedTree::NoSuchNode(99).to_string(), "there is no node 99");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamagedTree {
    /// A property that counts is not of its form; its name.
    Property(&'static str),
    /// There is no such node; what `numa-node-id` or the distance map says.
    NoSuchNode(u32),
}

impl fmt::Display for DamagedTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property(name) => write!(f, "the property {name} is not of its form"),
            Self::NoSuchNode(node) => write!(f, "there is no node {node}"),
        }
    }
}

impl core::error::Error for DamagedTree {}

/// What a device tree says of memory and nodes, checked whole, so that the iterators meet no damage.
///
/// As in Linux: memory is in nodes of `device_type` "memory" that are not disabled, and
/// `linux,usable-memory` there counts more than `reg`; reserved memory that must not be mapped is none;
/// reserved memory that is reusable for `shared-dma-pool` is a CMA area; reserved memory without a fixed
/// place is the kernel's to find, and left out here.
///
/// ```
/// use dtoolkit::fdt::Fdt;
/// use page_alloc::PhysAddr;
/// use page_alloc::boot::{BootInfo, MemoryRegion, Reservation, Survey};
/// use page_alloc::integrations::dtoolkit::DeviceTree;
/// use page_alloc::integrations::fill;
///
/// # let text = |bytes: &[u8; 4]| u32::from_be_bytes(*bytes);
/// # let words = [
/// #     0xd00d_feed, 144, 56, 128, 40, 17, 16, 0, 16, 72, // header
/// #     0, 0, 0, 0, // no memory reservations
/// #     1, 0, 1, text(b"ram\0"), // root, and in it "ram":
/// #     3, 7, 0, text(b"memo"), text(b"ry\0\0"), // device_type = "memory"
/// #     3, 12, 12, 0, 0x8000_0000, 0x4000_0000, // reg
/// #     2, 2, 9,
/// #     text(b"devi"), text(b"ce_t"), text(b"ype\0"), text(b"reg\0"),
/// # ];
/// # let blob = words.map(u32::to_be_bytes).concat();
/// # let blob_at = PhysAddr::new(0x8200_0000);
/// // A blob that lies at 0x82000000, and says that there is 1 GiB at 0x80000000:
/// let tree = DeviceTree::new(Fdt::new(&blob)?)?;
/// let (mut map, mut taken) = ([MemoryRegion::EMPTY; 64], [Reservation::EMPTY; 64]);
/// let map = fill(&mut map, tree.memory_regions())?;
/// let taken = fill(&mut taken, tree.reservations(blob_at))?;
/// assert_eq!(map[0].to_string(), "usable 0x80000000 + 0x40000000");
/// assert_eq!(taken[0].to_string(), "device tree 0x82000000 + 0x90");
/// let survey = Survey::new(&BootInfo::new(map).reservations(taken), 12)?;
/// assert_eq!(survey.frames().len(), 1 << 18);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DeviceTree<'a>(Fdt<'a>);

impl<'a> DeviceTree<'a> {
    /// Checks what counts for memory and nodes.
    ///
    /// # Errors
    ///
    /// What is damaged.
    pub fn new(tree: Fdt<'a>) -> Result<Self, DamagedTree> {
        let checked = Self(tree);
        for node in checked.memory_nodes() {
            let _ranges = checked.usable(&node)?;
            node_id(&node)?;
        }
        for node in checked.reserved_nodes() {
            let _ranges = checked.fixed(&node)?;
        }
        for node in checked.cpus() {
            node_id(&node)?;
        }
        checked.initrd()?;
        checked.matrix()?.try_for_each(|entry| entry.map(|_| ()))?;
        Ok(checked)
    }

    /// The memory map.
    pub fn memory_regions(self) -> impl Iterator<Item = MemoryRegion> {
        let nodes = self.memory_nodes();
        let usable = nodes.filter_map(move |node| self.usable(&node).ok()).flatten();
        let usable = usable.map(|(base, length)| (base, length, MemoryKind::Usable));
        let unmapped = self.reserved_nodes().filter(|node| has(node, "no-map"));
        let unmapped = unmapped.filter_map(move |node| self.fixed(&node).ok()).flatten();
        let unmapped = unmapped.map(|(base, length)| (base, length, MemoryKind::Reserved));
        usable.chain(unmapped).map(|(base, length, kind)| MemoryRegion::new(base, length, kind))
    }

    /// What must not be given out: the blob itself, which lies at that address, what the tree reserves,
    /// and the initial ramdisk. The kernel adds its image.
    pub fn reservations(self, at: PhysAddr) -> impl Iterator<Item = Reservation> {
        let blob = Reservation::new("device tree", at, self.0.data().len() as u64);
        let listed = self.0.memory_reservations().map(|entry| {
            Reservation::new("memory reservation", PhysAddr::new(entry.address()), entry.size())
        });
        let kept = self.reserved_nodes().filter(|node| !has(node, "no-map") && !is_cma(node));
        let kept = kept.filter_map(move |node| self.fixed(&node).ok()).flatten();
        let kept = kept.map(|(base, length)| Reservation::new("reserved memory", base, length));
        let initrd = self.initrd().ok().flatten();
        core::iter::once(blob).chain(listed).chain(kept).chain(initrd)
    }

    /// The areas for [`BootInfo::cma`](crate::boot::BootInfo::cma) that have a fixed place.
    pub fn cma(self) -> impl Iterator<Item = Reservation> {
        let areas = self.reserved_nodes().filter(is_cma);
        let areas = areas.filter_map(move |node| self.fixed(&node).ok()).flatten();
        areas.map(|(base, length)| Reservation::new("CMA", base, length))
    }

    /// Which memory belongs to which node; nothing on machines without nodes.
    pub fn node_ranges(self) -> impl Iterator<Item = NodeRange> {
        self.memory_nodes().filter_map(move |node| self.ranges_of(&node)).flatten()
    }

    /// The node of each CPU that is not disabled, in the order of the tree; 0 for one that names none.
    pub fn cpu_nodes(self) -> impl Iterator<Item = NodeId> {
        self.cpus().map(|cpu| node_id(&cpu).ok().flatten().unwrap_or(NodeId::ZERO))
    }

    /// The distances between `N` nodes, those that the tree leaves out too; `None` if it names more.
    /// The rows are what [`Numa::Ranges`](crate::boot::Numa::Ranges) takes:
    /// `matrix.each_ref().map(|row| &row[..])`.
    #[must_use]
    pub fn distances<const N: usize>(self) -> Option<[[u8; N]; N]> {
        let mut matrix = [[REMOTE_DISTANCE; N]; N];
        for (node, row) in matrix.iter_mut().enumerate() {
            row[node] = LOCAL_DISTANCE;
        }
        for (from, to, distance) in self.matrix().ok()?.filter_map(Result::ok) {
            let (from, to) = (from.index(), to.index());
            *matrix.get_mut(from)?.get_mut(to)? = distance;
            if to > from {
                matrix[to][from] = distance; // unless the map says otherwise later
            }
        }
        Some(matrix)
    }

    fn memory_nodes(self) -> impl Iterator<Item = FdtNode<'a>> {
        self.0.root().children().filter(|node| is_of_type(node, "memory") && is_available(node))
    }

    fn reserved_nodes(self) -> impl Iterator<Item = FdtNode<'a>> {
        let parent = self.0.find_node("/reserved-memory");
        parent.into_iter().flat_map(|node| node.children()).filter(is_available)
    }

    fn cpus(self) -> impl Iterator<Item = FdtNode<'a>> {
        let parent = self.0.find_node("/cpus");
        let children = parent.into_iter().flat_map(|node| node.children());
        children.filter(|node| is_of_type(node, "cpu") && is_available(node))
    }

    /// The ranges of a memory node.
    fn usable(
        self,
        node: &FdtNode<'a>,
    ) -> Result<impl Iterator<Item = Range> + use<'a>, DamagedTree> {
        let name = match node.property("linux,usable-memory") {
            Some(_) => "linux,usable-memory",
            None => "reg",
        };
        ranges(node.property(name), self.0.root().address_space(), name)
    }

    fn ranges_of(self, node: &FdtNode<'a>) -> Option<impl Iterator<Item = NodeRange> + use<'a>> {
        let id = node_id(node).ok().flatten()?;
        let usable = self.usable(node).ok()?;
        Some(usable.map(move |(base, length)| NodeRange::new(id, base, length)))
    }

    /// The ranges of reserved memory that has a fixed place.
    fn fixed(
        self,
        node: &FdtNode<'a>,
    ) -> Result<impl Iterator<Item = Range> + use<'a>, DamagedTree> {
        let parent = self.0.find_node("/reserved-memory");
        let space = parent.map(|parent| parent.address_space()).unwrap_or_default();
        ranges(node.property("reg"), space, "reg")
    }

    /// The initial ramdisk that the boot loader names.
    fn initrd(self) -> Result<Option<Reservation>, DamagedTree> {
        let Some(chosen) = self.0.find_node("/chosen") else { return Ok(None) };
        let [start, end] = ["linux,initrd-start", "linux,initrd-end"].map(|name| {
            let property = chosen.property(name);
            property.map(|found| address(&found).ok_or(DamagedTree::Property(name))).transpose()
        });
        let (Some(start), Some(end)) = (start?, end?) else { return Ok(None) };
        let base = PhysAddr::new(start);
        Ok(Some(Reservation::new("initrd", base, end.saturating_sub(start))))
    }

    /// The entries of the distance map.
    fn matrix(
        self,
    ) -> Result<
        impl Iterator<Item = Result<(NodeId, NodeId, u8), DamagedTree>> + use<'a>,
        DamagedTree,
    > {
        const NAME: &str = "distance-matrix";
        let mut maps = self.0.root().children();
        let map = maps.find(|node| node.is_compatible("numa-distance-map-v1"));
        let entries = map.and_then(|map| map.property(NAME));
        let entries = entries.map(|entries| entries.as_prop_encoded_array([1, 1, 1])).transpose();
        let entries = entries.map_err(|_| DamagedTree::Property(NAME))?.into_iter().flatten();
        Ok(entries.map(|cells| {
            let [from, to, distance] = cells.map(|cell| cell.to_int::<u32>().unwrap_or(u32::MAX));
            let (from, to) = (existing(from)?, existing(to)?);
            let nearest = LOCAL_DISTANCE + u8::from(from != to);
            let distance = u8::try_from(distance).ok().filter(|found| *found >= nearest);
            let distance = distance.filter(|found| from != to || *found == LOCAL_DISTANCE);
            Ok((from, to, distance.ok_or(DamagedTree::Property(NAME))?))
        }))
    }
}

/// First byte and length.
type Range = (PhysAddr, u64);

/// The ranges that a property lists; none if there is no such property.
fn ranges<'a>(
    property: Option<FdtProperty<'a>>,
    space: AddressSpaceProperties,
    name: &'static str,
) -> Result<impl Iterator<Item = Range> + use<'a>, DamagedTree> {
    let damaged = DamagedTree::Property(name);
    let cells = [space.address_cells, space.size_cells];
    if cells.iter().any(|cells| *cells > 2) {
        return Err(damaged);
    }
    let list = property.map(|list| list.as_prop_encoded_array(cells.map(|cells| cells as usize)));
    let list = list.transpose().map_err(|_| damaged)?.into_iter().flatten();
    Ok(list.filter_map(|[base, length]| {
        Some((PhysAddr::new(base.to_int().ok()?), length.to_int().ok()?))
    }))
}

/// An address of one cell or two.
fn address(property: &FdtProperty<'_>) -> Option<u64> {
    match property.value() {
        bytes if bytes.len() == 4 => property.value_as::<u32>().ok().map(u64::from),
        _ => property.value_as::<u64>().ok(),
    }
}

/// The node that memory or a CPU names.
fn node_id(node: &FdtNode<'_>) -> Result<Option<NodeId>, DamagedTree> {
    const NAME: &str = "numa-node-id";
    let Some(property) = node.property(NAME) else { return Ok(None) };
    let number = property.value_as::<u32>().map_err(|_| DamagedTree::Property(NAME))?;
    existing(number).map(Some)
}

fn existing(node: u32) -> Result<NodeId, DamagedTree> {
    NodeId::new(node).ok_or(DamagedTree::NoSuchNode(node))
}

fn has(node: &FdtNode<'_>, property: &str) -> bool {
    node.property(property).is_some()
}

fn is_cma(node: &FdtNode<'_>) -> bool {
    node.is_compatible("shared-dma-pool") && has(node, "reusable") && !has(node, "no-map")
}

fn is_of_type(node: &FdtNode<'_>, wanted: &str) -> bool {
    let kind = node.property("device_type");
    kind.is_some_and(|kind| kind.value_as::<&str>().is_ok_and(|kind| kind == wanted))
}

/// Whether a node is there: its status says so, or nothing.
fn is_available(node: &FdtNode<'_>) -> bool {
    let status = node.property("status");
    status.is_none_or(|status| matches!(status.value_as(), Ok("okay" | "ok")))
}
