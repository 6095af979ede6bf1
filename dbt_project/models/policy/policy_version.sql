-- One row: the version of the policy in force, one hash over every policy row.
select
    left(
        md5(
            string_agg(
                policy_table || policy_row, '|' order by policy_table, policy_row
            )
        ),
        12
    ) as policy_version
from {{ ref("policy_rows") }}
