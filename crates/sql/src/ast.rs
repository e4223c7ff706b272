//! What the parser makes of a text: statements and expressions, each with its place.

use crate::error::Span;
use crate::types::DataType;

/// A name as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Ident {
    pub value: String,
    pub span: Span,
}

/// `catalog.database.table`, or a part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectName {
    pub parts: Vec<Ident>,
}

impl ObjectName {
    /// The last part: Flink's table name.
    pub fn table(&self) -> &str {
        self.parts.last().map_or("", |part| part.value.as_str())
    }

    pub fn span(&self) -> Span {
        let first = self.parts.first().map_or(Span::default(), |part| part.span);
        self.parts.last().map_or(first, |last| first.to(last.span))
    }
}

/// One statement of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub kind: StatementKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum StatementKind {
    CreateTable(Box<CreateTable>),
    CreateView(CreateView),
    Drop(Drop),
    Insert(Insert),
    StatementSet(Vec<Insert>),
    Query(Query),
    Explain(Box<Statement>),
    ShowTables,
    ShowCreateTable(ObjectName),
    Describe(ObjectName),
    Set(Option<(String, String)>),
    Reset(Option<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    pub name: ObjectName,
    pub if_not_exists: bool,
    pub temporary: bool,
    pub columns: Vec<ColumnDef>,
    pub primary_key: Option<PrimaryKey>,
    pub watermark: Option<Watermark>,
    pub comment: Option<String>,
    pub partitioned_by: Vec<Ident>,
    pub distributed_into: Option<(u32, Span)>,
    pub options: Vec<OptionPair>,
    pub like: Option<ObjectName>,
    pub as_query: Option<Query>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OptionPair {
    pub key: String,
    pub key_span: Span,
    pub value: String,
    pub value_span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    pub name: Ident,
    pub kind: ColumnKind,
    pub comment: Option<String>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ColumnKind {
    Physical(DataType),
    Metadata {
        ty: DataType,
        from: Option<String>,
        is_virtual: bool,
    },
    Computed(Expr),
}

#[derive(Clone, Debug, PartialEq)]
pub struct PrimaryKey {
    pub columns: Vec<Ident>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Watermark {
    pub column: Vec<Ident>,
    pub expr: Expr,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreateView {
    pub name: ObjectName,
    pub columns: Vec<Ident>,
    pub if_not_exists: bool,
    pub temporary: bool,
    pub query: Query,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Drop {
    pub name: ObjectName,
    pub if_exists: bool,
    pub is_view: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    pub table: ObjectName,
    pub columns: Vec<Ident>,
    pub query: Query,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub ctes: Vec<Cte>,
    pub body: SetExpr,
    pub limit: Option<u64>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Cte {
    pub name: Ident,
    pub columns: Vec<Ident>,
    pub query: Query,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SetExpr {
    Select(Box<Select>),
    UnionAll(Box<SetExpr>, Box<SetExpr>),
    Values(Vec<Vec<Expr>>),
    Nested(Box<Query>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    pub items: Vec<SelectItem>,
    pub from: Option<TableRef>,
    pub filter: Option<Expr>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SelectItem {
    /// `*` or `t.*`.
    Wildcard {
        qualifier: Option<Ident>,
        span: Span,
    },
    Expr {
        expr: Expr,
        alias: Option<Ident>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum TableRef {
    Table {
        name: ObjectName,
        alias: Option<TableAlias>,
        options: Vec<OptionPair>,
    },
    Derived {
        query: Box<Query>,
        alias: Option<TableAlias>,
        span: Span,
    },
    Unnest {
        left: Option<Box<TableRef>>,
        expr: Expr,
        alias: Option<TableAlias>,
        ordinality: bool,
        outer: bool,
        span: Span,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct TableAlias {
    pub name: Ident,
    pub columns: Vec<Ident>,
}

/// An expression and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    Null,
    Boolean(bool),
    /// Digits only, a decimal point, or an exponent: the type follows.
    Number(String),
    String(String),
    Bytes(Vec<u8>),
    /// `DATE '…'`, `TIME '…'`, `TIMESTAMP '…'`.
    Temporal(TemporalLiteral, String),
    Interval {
        text: String,
        negative: bool,
        from: Unit,
        to: Option<Unit>,
    },
    /// `a.b.c`, however it resolves.
    Name(Vec<Ident>),
    Unary(UnaryOp, Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    Is {
        expr: Box<Expr>,
        what: IsWhat,
        negated: bool,
    },
    IsDistinctFrom {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    IsJson {
        expr: Box<Expr>,
        what: JsonKind,
        negated: bool,
    },
    Between {
        expr: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        symmetric: bool,
        negated: bool,
    },
    In {
        expr: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    Like {
        expr: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
        how: LikeKind,
        negated: bool,
    },
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Cast {
        expr: Box<Expr>,
        ty: DataType,
        is_try: bool,
    },
    Function {
        name: Ident,
        args: Vec<Expr>,
        distinct: bool,
        star: bool,
    },
    /// `EXTRACT(unit FROM x)`.
    Extract(Unit, Box<Expr>),
    /// `TIMESTAMPADD(unit, n, x)`.
    TimestampAdd(Unit, Box<Expr>, Box<Expr>),
    /// `TIMESTAMPDIFF(unit, a, b)`.
    TimestampDiff(Unit, Box<Expr>, Box<Expr>),
    /// `CEIL(x TO unit)` or `FLOOR(x TO unit)`.
    RoundTo {
        up: bool,
        expr: Box<Expr>,
        unit: Unit,
    },
    Trim {
        side: TrimSide,
        what: Option<Box<Expr>>,
        expr: Box<Expr>,
    },
    Index(Box<Expr>, Box<Expr>),
    /// `(expr).name`, or a name after an index.
    Field(Box<Expr>, Ident),
    Row(Vec<Expr>),
    Array(Vec<Expr>),
    Map(Vec<Expr>),
    JsonValue {
        input: Box<Expr>,
        path: Box<Expr>,
        returning: Option<DataType>,
        on_empty: OnJson,
        on_error: OnJson,
    },
    JsonQuery {
        input: Box<Expr>,
        path: Box<Expr>,
        returning: Option<DataType>,
        wrapper: JsonWrapper,
        on_empty: OnJson,
        on_error: OnJson,
    },
    JsonExists {
        input: Box<Expr>,
        path: Box<Expr>,
        on_error: OnJsonExists,
    },
    JsonObject {
        pairs: Vec<(Expr, Expr)>,
        absent_on_null: bool,
    },
    JsonArray {
        items: Vec<Expr>,
        absent_on_null: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemporalLiteral {
    Date,
    Time,
    Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    Not,
    Minus,
    Plus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    And,
    Or,
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Concat,
}

impl BinaryOp {
    pub fn as_str(self) -> &'static str {
        match self {
            BinaryOp::And => "AND",
            BinaryOp::Or => "OR",
            BinaryOp::Eq => "=",
            BinaryOp::NotEq => "<>",
            BinaryOp::Lt => "<",
            BinaryOp::LtEq => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::GtEq => ">=",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Mod => "%",
            BinaryOp::Concat => "||",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsWhat {
    Null,
    True,
    False,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonKind {
    Any,
    Object,
    Array,
    Scalar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeKind {
    Like,
    SimilarTo,
    Regexp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimSide {
    Both,
    Leading,
    Trailing,
}

#[derive(Clone, Debug, PartialEq)]
pub enum OnJson {
    Null,
    Error,
    EmptyArray,
    EmptyObject,
    Default(Box<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnJsonExists {
    True,
    False,
    Unknown,
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonWrapper {
    Without,
    Conditional,
    Unconditional,
}

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    Nanosecond,
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Week,
    Month,
    Quarter,
    Year,
    IsoYear,
    Decade,
    Century,
    Millennium,
    Epoch,
}

impl Unit {
    /// `SECOND`, `SECONDS`, `SQL_TSI_SECOND`, in any case.
    pub fn parse(word: &str) -> Option<Unit> {
        let upper = word.to_ascii_uppercase();
        let name = upper.strip_prefix("SQL_TSI_").unwrap_or(&upper);
        Some(match name {
            "NANOSECOND" | "NANOSECONDS" => Unit::Nanosecond,
            "MICROSECOND" | "MICROSECONDS" | "FRAC_SECOND" => Unit::Microsecond,
            "MILLISECOND" | "MILLISECONDS" => Unit::Millisecond,
            "SECOND" | "SECONDS" => Unit::Second,
            "MINUTE" | "MINUTES" => Unit::Minute,
            "HOUR" | "HOURS" => Unit::Hour,
            "DAY" | "DAYS" => Unit::Day,
            "DOW" | "DAYOFWEEK" => Unit::DayOfWeek,
            "ISODOW" => Unit::IsoDayOfWeek,
            "DOY" | "DAYOFYEAR" => Unit::DayOfYear,
            "WEEK" | "WEEKS" => Unit::Week,
            "MONTH" | "MONTHS" => Unit::Month,
            "QUARTER" | "QUARTERS" => Unit::Quarter,
            "YEAR" | "YEARS" => Unit::Year,
            "ISOYEAR" => Unit::IsoYear,
            "DECADE" => Unit::Decade,
            "CENTURY" => Unit::Century,
            "MILLENNIUM" => Unit::Millennium,
            "EPOCH" => Unit::Epoch,
            _ => return None,
        })
    }
}
