//! What a statement comes down to: scans, pipelines over them, and sinks.

use std::sync::Arc;

use crate::eval::Expr;
use crate::table::Table;
use crate::types::DataType;

/// A continuous or bounded job without state. Each scan is read once, however many pipelines use it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub scans: Vec<Scan>,
    pub pipelines: Vec<Pipeline>,
    pub sinks: Vec<Sink>,
    /// Stop after so many rows.
    pub limit: Option<u64>,
}

/// A table read, and which of its columns are needed.
#[derive(Clone, Debug)]
pub struct Scan {
    pub table: Arc<Table>,
    /// Numbers of the table's columns, ascending: the row's layout.
    pub columns: Vec<usize>,
    /// From an `OPTIONS` hint; they go before the table's own.
    pub options: Vec<(String, String)>,
}

/// Where a pipeline's rows come from.
#[derive(Clone, Debug)]
pub enum Input {
    /// The plan's scan of this number.
    Scan(usize),
    /// Rows written out, as `VALUES` does.
    Rows(Vec<Vec<Expr>>),
}

/// From one input to one sink.
#[derive(Clone, Debug)]
pub struct Pipeline {
    pub input: Input,
    pub ops: Vec<Op>,
    /// One per column of the sink.
    pub outputs: Vec<Expr>,
    /// The plan's sink of this number.
    pub sink: usize,
}

/// A step of a pipeline. The row grows to the right; columns keep their numbers.
#[derive(Clone, Debug)]
pub enum Op {
    Filter(Expr),
    /// Appends one column.
    Extend(Expr),
    /// One row per element, appending `width` columns: the element's fields or the element, and its number.
    Unnest {
        array: Expr,
        /// The fields of a ROW element, else `None`.
        fields: Option<usize>,
        ordinality: bool,
        /// A row without elements stays, with NULLs.
        outer: bool,
    },
}

impl Op {
    pub fn width(&self) -> usize {
        match self {
            Op::Filter(_) => 0,
            Op::Extend(_) => 1,
            Op::Unnest { fields, ordinality, .. } => fields.unwrap_or(1) + usize::from(*ordinality),
        }
    }
}

/// Where rows go.
#[derive(Clone, Debug)]
pub enum Sink {
    Table {
        table: Arc<Table>,
        /// Numbers of the table's columns that get a value.
        columns: Vec<usize>,
    },
    /// To whoever asked.
    Result { columns: Vec<(String, DataType)> },
}

impl Plan {
    /// Nothing is read: it ends by itself.
    pub fn is_bounded(&self) -> bool {
        self.scans.is_empty() || self.limit.is_some()
    }

    pub fn result_columns(&self) -> Option<&[(String, DataType)]> {
        self.sinks.iter().find_map(|sink| match sink {
            Sink::Result { columns } => Some(columns.as_slice()),
            Sink::Table { .. } => None,
        })
    }
}

/// A branch before the plan is put together: columns are numbered as the table has them.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub source: BranchSource,
    pub ops: Vec<Op>,
    pub outputs: Vec<(String, Expr)>,
}

#[derive(Clone, Debug)]
pub(crate) enum BranchSource {
    Table {
        table: Arc<Table>,
        options: Vec<(String, String)>,
    },
    Rows {
        rows: Vec<Vec<Expr>>,
        width: usize,
    },
}

impl BranchSource {
    pub(crate) fn width(&self) -> usize {
        match self {
            BranchSource::Table { table, .. } => table.columns.len(),
            BranchSource::Rows { width, .. } => *width,
        }
    }
}

/// Branches with the sink each goes to, put together: scans of the same table become one, unused columns go.
pub(crate) fn assemble(branches: Vec<(Branch, usize)>, sinks: Vec<Sink>, limit: Option<u64>) -> Plan {
    let mut scans: Vec<Scan> = Vec::new();
    let mut placed: Vec<Option<usize>> = Vec::new();
    for (branch, _) in &branches {
        let BranchSource::Table { table, options } = &branch.source else {
            placed.push(None);
            continue;
        };
        let used = used_columns(branch, table.columns.len());
        let known = scans
            .iter()
            .position(|scan| scan.table.name == table.name && scan.options == *options);
        let index = known.unwrap_or_else(|| {
            scans.push(Scan {
                table: Arc::clone(table),
                columns: Vec::new(),
                options: options.clone(),
            });
            scans.len() - 1
        });
        scans[index].columns.extend(used);
        placed.push(Some(index));
    }
    for scan in &mut scans {
        scan.columns.sort_unstable();
        scan.columns.dedup();
    }
    let pipelines = branches
        .into_iter()
        .zip(placed)
        .map(|((branch, sink), scan)| pipeline(branch, sink, scan, &scans));
    Plan {
        pipelines: pipelines.collect(),
        scans,
        sinks,
        limit,
    }
}

fn used_columns(branch: &Branch, width: usize) -> Vec<usize> {
    let mut used = Vec::new();
    let mut look = |expr: &Expr| {
        expr.visit(&mut |part| {
            if let Some(column) = part.as_column()
                && column < width
            {
                used.push(column);
            }
        });
    };
    for op in &branch.ops {
        match op {
            Op::Filter(expr) | Op::Extend(expr) => look(expr),
            Op::Unnest { array, .. } => look(array),
        }
    }
    branch.outputs.iter().for_each(|(_, expr)| look(expr));
    used
}

fn pipeline(branch: Branch, sink: usize, scan: Option<usize>, scans: &[Scan]) -> Pipeline {
    let Branch {
        source,
        mut ops,
        outputs,
    } = branch;
    let mut outputs: Vec<Expr> = outputs.into_iter().map(|(_, expr)| expr).collect();
    let input = match (scan, source) {
        (Some(index), source) => {
            let (old_width, columns) = (source.width(), &scans[index].columns);
            let new_index = |old: usize| {
                if old >= old_width {
                    return old - old_width + columns.len();
                }
                columns.binary_search(&old).expect("every column used was collected")
            };
            for op in &mut ops {
                match op {
                    Op::Filter(expr) | Op::Extend(expr) => expr.renumber(&new_index),
                    Op::Unnest { array, .. } => array.renumber(&new_index),
                }
            }
            outputs.iter_mut().for_each(|expr| expr.renumber(&new_index));
            Input::Scan(index)
        }
        (None, BranchSource::Rows { rows, .. }) => Input::Rows(rows),
        (None, BranchSource::Table { .. }) => Input::Rows(Vec::new()),
    };
    Pipeline {
        input,
        ops,
        outputs,
        sink,
    }
}
