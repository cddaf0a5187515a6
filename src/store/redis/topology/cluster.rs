//! What a node says about its cluster.

use redis::{FromRedisValue, Pipeline, Value, from_redis_value};

use super::{
    super::{connection::Connection, errors::RequestError},
    other::other,
    table::{Address, Range, SLOTS, Table},
};

/// The most primaries of a cluster.
const MAX_PRIMARIES: usize = 1000;

/// Asks a node for the primaries of all slots.
pub(super) async fn ask(node: &Connection, at: &Address) -> Result<Table, String> {
    let mut question = Pipeline::new();
    question.cmd("CLUSTER").arg("INFO").cmd("CLUSTER").arg("SLOTS");
    let values = match node.run(&question).await {
        Ok(values) => values,
        Err(error) => return Err(refusal(node, error).await),
    };
    let unexpected = || "the node sent an unexpected reply".to_owned();
    let [info, slots] = <[Value; 2]>::try_from(values).map_err(|_| unexpected())?;
    let info: String = from_redis_value(info).map_err(|_| unexpected())?;
    let epoch = info.lines().find_map(|line| line.trim().strip_prefix("cluster_current_epoch:")?.parse().ok());
    let table = Table::new(epoch.ok_or_else(unexpected)?, ranges(slots, at).ok_or_else(unexpected)?).ok_or_else(unexpected)?;
    match table.primaries().len() {
        0 => Err("no node of the cluster has slots".into()),
        1..=MAX_PRIMARIES => Ok(table),
        more => Err(format!("the cluster has {more} primaries; at most {MAX_PRIMARIES} are supported")),
    }
}

/// The error of a node that does not answer, or of a server that is no node.
async fn refusal(node: &Connection, error: RequestError) -> String {
    match error {
        RequestError::Refused(error) if error.text.contains("cluster support disabled") || error.text.contains("unknown command") => {
            other(node, "this is not a node of a cluster: write redis:// for a single server").await.into()
        }
        error => error.message(),
    }
}

/// Decodes the reply to `CLUSTER SLOTS`: for each range the first and last slot, the primary, and its replicas.
fn ranges(slots: Value, said_by: &Address) -> Option<Vec<Range>> {
    let rows: Vec<Vec<Value>> = from_redis_value(slots).ok()?;
    if rows.len() > usize::from(SLOTS) {
        return None;
    }
    rows.into_iter().map(|row| range(row, said_by)).collect()
}

fn range(row: Vec<Value>, said_by: &Address) -> Option<Range> {
    fn next<T: FromRedisValue>(values: &mut impl Iterator<Item = Value>) -> Option<T> {
        from_redis_value(values.next()?).ok()
    }
    let mut row = row.into_iter();
    let (first, last) = (next(&mut row)?, next(&mut row)?);
    let mut primary = next::<Vec<Value>>(&mut row)?.into_iter();
    let (host, port): (Option<String>, u16) = (next(&mut primary)?, next(&mut primary)?);
    Some(Range { first, last, primary: Address::named(host.as_deref().unwrap_or_default(), port, said_by) })
}
