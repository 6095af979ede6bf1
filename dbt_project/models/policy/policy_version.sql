-- One row: the version of the policy in force, one hash over every policy row.
-- Whoever decides reads it, so nothing is decided before the examples are judged.
-- depends_on: {{ ref('definition_verdicts') }}
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
