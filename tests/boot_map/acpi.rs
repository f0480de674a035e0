//! SRAT and SLIT: what they mean, and what is refused.

use crate::tables::{self, Entry, fix_checksum, seal};
use crate::text::{node, range, region};
use page_alloc::boot::{
    AcpiTable, BootInfo, InitError, MemoryKind, MemoryRegion, NodeRange, Numa, Survey,
};
use page_alloc::{CpuId, NodeMask, PhysAddr};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::{prop_assert, prop_assert_eq, proptest};

const MAP: [MemoryRegion; 1] =
    [MemoryRegion::new(PhysAddr::new(0), 0x100_0000, MemoryKind::Usable)];

fn info<'a>(srat: &'a [u8], slit: Option<&'a [u8]>, ids: &'a [u32]) -> BootInfo<'a> {
    let nr_cpus = u32::try_from(ids.len()).unwrap();
    BootInfo::new(&MAP).nr_cpus(nr_cpus).numa(Numa::Acpi { srat, slit, cpu_apic_ids: ids })
}

fn refusal(srat: &[u8], slit: Option<&[u8]>) -> InitError {
    Survey::new(&info(srat, slit, &[0]), 12).unwrap_err()
}

/// A machine of two nodes, whose domains are 7 and 3 in the order of the CPUs.
fn two_nodes() -> Vec<u8> {
    tables::srat(
        3,
        &[
            Entry::Memory(3, 0x80_0000, 0x80_0000, 1),
            Entry::Memory(99, 0x10_0000, 0x10_0000, 0),
            Entry::Apic(7, 0),
            Entry::Raw(vec![5, 3, 0]),
            Entry::Memory(7, 0, 0x80_0000, 1),
            Entry::X2apic(3, 0x1234),
            Entry::Memory(7, 0x40_0000_0000, 0x1000, 3),
        ],
    )
}

/// Nodes are numbered by domain in order of appearance, CPUs first; entries that are not enabled
/// and those of other types say nothing.
#[test]
fn nodes_are_numbered_by_first_appearance() {
    let (srat, slit) = (two_nodes(), slit8());
    let info = info(&srat, Some(&slit), &[0x1234, 0]);
    let survey = Survey::new(&info, 12).unwrap();
    assert_eq!(survey.cpu_node(CpuId::new(0)), Ok(node(1)));
    assert_eq!(survey.cpu_node(CpuId::new(1)), Ok(node(0)));
    assert_eq!(survey.node_span(node(0)).end.get(), 0x800);
    assert_eq!(survey.node_span(node(1)).start.get(), 0x800);
    assert_eq!(survey.online_nodes(), NodeMask::from_bits(0b11));
    assert_eq!(survey.distance(node(0), node(1)), 73);
    assert_eq!(survey.distance(node(1), node(0)), 37);
    assert_eq!(survey.distance(node(1), node(1)), 10);
    assert_eq!(survey.distance(node(1), node(2)), 20);
    let empty = survey.dropped().numa_without_memory;
    assert_eq!((empty.count, empty.first), (1, Some(range(0, 0x40_0000_0000, 0x40_0000_1000))));
}

/// A SLIT of eight domains in which the distance from a to b is 10a + b, or 10.
fn slit8() -> Vec<u8> {
    let distance = |from: u8, to: u8| if from == to { 10 } else { (10 * from + to).max(10) };
    let rows: Vec<Vec<u8>> =
        (0..8).map(|from| (0..8).map(|to| distance(from, to)).collect()).collect();
    tables::slit(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Domains that the SLIT leaves out are 20 from the others, whatever else stands in the table.
#[test]
fn domains_outside_the_slit() {
    let (srat, slit) = (tables::srat(2, &[Entry::Apic(3, 0), Entry::Apic(9, 1)]), slit8());
    let survey = Survey::new(&info(&srat, Some(&slit), &[0, 1]), 12).unwrap();
    let [three, nine] = [0, 1].map(node);
    assert_eq!([survey.distance(three, nine), survey.distance(nine, three)], [20, 20]);
    assert_eq!([survey.distance(three, three), survey.distance(nine, nine)], [10, 10]);
}

/// Before revision 2, only the lowest byte of a domain counts.
#[test]
fn old_tables_have_short_domains() {
    let entries = [Entry::Apic(0x0102, 0), Entry::Memory(0xff02, 0, 0x100_0000, 1)];
    for (revision, nodes) in [(1, 0b1), (2, 0b11)] {
        let srat = tables::srat(revision, &entries);
        let survey = Survey::new(&info(&srat, None, &[0]), 12).unwrap();
        assert_eq!(survey.online_nodes(), NodeMask::from_bits(nodes));
    }
}

/// A CPU without an APIC id is refused by number.
#[test]
fn a_cpu_needs_an_apic_id() {
    let srat = two_nodes();
    let missing = Survey::new(&info(&srat, None, &[0]).nr_cpus(2), 12).unwrap_err();
    assert_eq!(missing, InitError::CpuWithoutNode(CpuId::new(1)));
    let survey = Survey::new(&info(&srat, None, &[0]), 12).unwrap();
    assert_eq!(survey.cpu_node(CpuId::new(1)), Err(InitError::CpuWithoutNode(CpuId::new(1))));
}

/// CPUs that the SRAT leaves out are spread over the nodes with memory by their own numbers, as
/// Linux's `numa_init_array` does, and told of.
#[test]
fn cpus_that_the_srat_leaves_out() {
    let srat = two_nodes();
    let survey = Survey::new(&info(&srat, None, &[0, 77, 78, 79]), 12).unwrap();
    let nodes = [0, 1, 2, 3].map(|cpu| survey.cpu_node(CpuId::new(cpu)).unwrap().index());
    assert_eq!(nodes, [0, 1, 0, 1]);
    assert_eq!(survey.nodes_with_cpus(), NodeMask::from_bits(0b11));
    let left_out = survey.dropped().cpus_without_node;
    assert_eq!((left_out.count, left_out.first), (3, Some(CpuId::new(1))));
    let text = survey.dropped().to_string();
    assert!(text.ends_with("3 CPUs that the SRAT leaves out: 1\n"), "{text}");
}

/// Damage is refused with its place.
#[test]
fn damaged_tables() {
    let malformed = |table, offset, what| InitError::MalformedTable { table, offset, what };
    let srat = |offset, what| malformed(AcpiTable::Srat, offset, what);
    let raw = |bytes: &[u8]| tables::srat(3, &[Entry::Apic(0, 0), Entry::Raw(bytes.to_vec())]);
    assert_eq!(refusal(b"SLIT", None), srat(0, "signature"));
    assert_eq!(refusal(b"SRAT", None), srat(4, "length"));
    assert_eq!(refusal(&two_nodes()[..60], None), srat(4, "length"));
    let mut bad_sum = two_nodes();
    bad_sum[60] ^= 1;
    assert_eq!(refusal(&bad_sum, None), srat(9, "checksum"));
    for entry in [&[1][..], &[1, 0], &[9, 1], &[1, 41, 0, 0], &[9, 200]] {
        assert_eq!(refusal(&raw(entry), None), srat(64, "entry length"), "{entry:?}");
    }
    for entry in [vec![0, 15], vec![1, 39], vec![2, 23], vec![0, 2], vec![1, 2]] {
        let mut entry = entry;
        entry.resize(entry[1].into(), 0);
        let what = "entry too short for its type";
        assert_eq!(refusal(&raw(&entry), None), srat(64, what), "{entry:?}");
    }
    let slit = |offset, what| malformed(AcpiTable::Slit, offset, what);
    let with = |count: u64| {
        let mut table = slit8();
        table[36..44].copy_from_slice(&count.to_le_bytes());
        seal(table)
    };
    for count in [9, 1 << 32, u64::MAX] {
        assert_eq!(refusal(&two_nodes(), Some(&with(count))), slit(36, "count"), "{count}");
    }
    assert_eq!(refusal(&two_nodes(), Some(&slit8()[..40])), slit(4, "length"));
}

/// What follows a table in memory does not matter.
#[test]
fn bytes_after_the_table() {
    let mut srat = two_nodes();
    srat.extend([0xff; 100]);
    assert!(Survey::new(&info(&srat, None, &[0]), 12).is_ok());
}

/// Distances that can't be are refused with both nodes.
#[test]
fn impossible_distances() {
    let low = tables::slit(&[&[10, 20], &[9, 10]]);
    let far = tables::slit(&[&[10, 20], &[20, 11]]);
    let bad = |from, to, distance| InitError::BadDistance { from, to, distance };
    assert_eq!(refusal(&two_nodes(), Some(&low)), bad(1, 0, 9));
    assert_eq!(refusal(&two_nodes(), Some(&far)), bad(1, 1, 11));
}

/// The 65th domain is refused.
#[test]
fn too_many_domains() {
    let entries: Vec<_> = (100..165).map(|domain| Entry::Memory(domain, 0, 0, 1)).collect();
    let error = refusal(&tables::srat(2, &entries), None);
    assert_eq!(error, InitError::TooManyNodes { domain: 164 });
    assert!(
        Survey::new(
            &info(&tables::srat(2, &[&entries[1..], &[Entry::Apic(164, 0)]].concat()), None, &[0]),
            12
        )
        .is_ok()
    );
}

/// Memory claimed by two domains is refused with both ranges.
#[test]
fn overlapping_domains() {
    let srat = tables::srat(
        2,
        &[Entry::Apic(0, 0), Entry::Memory(0, 0, 0x1001, 1), Entry::Memory(1, 0x1000, 0x1000, 1)],
    );
    let error = InitError::NumaOverlap(range(0, 0, 0x1001), range(1, 0x1000, 0x2000));
    assert_eq!(refusal(&srat, None), error);
    assert_eq!(error.to_string(), "node 0 0x0 + 0x1001 overlaps node 1 0x1000 + 0x1000");
}

/// What a survey of a map that covers all entries says of nodes, whatever way it learnt of them.
fn nodes_of(info: &BootInfo<'_>) -> Result<Vec<(usize, u64)>, InitError> {
    let survey = Survey::new(info, 12)?;
    Ok(survey.runs().map(|run| (run.node.index(), run.range.len())).collect())
}

proptest! {
    /// A SRAT of memory says the same as its ranges do, with domains numbered by first appearance.
    #[test]
    fn a_srat_is_its_ranges(cuts in vec((0..5_u32, 0..600_u64, 0..600_u64), 1..10)) {
        let (mut at, mut known) = (0, Vec::new());
        let mut entries = vec![Entry::Apic(cuts[0].0, 0)];
        let mut ranges: Vec<NodeRange> = Vec::new();
        for (domain, gap, length) in cuts {
            let base = (at + gap) << 12;
            at += gap + length;
            entries.push(Entry::Memory(domain, base, length << 12, 1));
            if !known.contains(&domain) {
                known.push(domain);
            }
            let of = known.iter().position(|other| *other == domain).unwrap();
            ranges.push(range(u64::try_from(of).unwrap(), base, base + (length << 12)));
        }
        let srat = tables::srat(2, &entries);
        let cpus = [node(0)];
        let numa = Numa::Ranges { ranges: &ranges, distances: &[], cpus: &cpus };
        prop_assert_eq!(
            nodes_of(&info(&srat, None, &[0])),
            nodes_of(&BootInfo::new(&[region(0, 0x100_0000, MemoryKind::Usable)]).numa(numa))
        );
    }

    /// Random bytes behind a right header, and random changes to a right table, are parsed or
    /// refused: no panic, no endless loop.
    #[test]
    fn mutated_tables_are_survived(
        changes in vec((any::<proptest::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<proptest::sample::Index>(),
        tail in vec(any::<u8>(), 0..200),
        whole in any::<bool>(),
    ) {
        for table in [two_nodes(), slit8()] {
            let keep = if whole { table.len() } else { 48 + cut.index(table.len() - 47) };
            let mut mutant = table[..keep].to_vec();
            if !whole {
                mutant.extend(&tail);
            }
            for (place, value) in &changes {
                let place = 10 + place.index(mutant.len() - 10);
                mutant[place] = *value;
            }
            let mutant = seal(mutant);
            let (srat, slit) = if table.starts_with(b"SRAT") {
                (mutant, slit8())
            } else {
                (two_nodes(), mutant)
            };
            if let Ok(survey) = Survey::new(&info(&srat, Some(&slit), &[0]), 12) {
                prop_assert_eq!(survey.runs().map(|run| run.range.len()).sum::<u64>(), 0xfff);
                prop_assert!(survey.cpu_node(CpuId::BOOT).is_ok());
                prop_assert!(survey.distance(node(0), node(1)) >= 10);
                prop_assert_eq!(survey.dropped().rounded_away.count, 0);
            }
        }
    }

    /// Bytes that are no table at all are refused.
    #[test]
    fn random_bytes_are_refused(mut bytes in vec(any::<u8>(), 0..300), signed in any::<bool>()) {
        if signed && bytes.len() > 10 {
            bytes[..4].copy_from_slice(b"SRAT");
            fix_checksum(&mut bytes);
        }
        let survey = Survey::new(&info(&bytes, None, &[0]), 12);
        let refused = matches!(survey, Err(InitError::MalformedTable { .. }));
        prop_assert!(refused, "{:?}", survey);
    }
}
