-- One row per quarter of MQL entry: how many MQLs it has and how far they came, by all
-- we know now.
with
    as_known as (select * from {{ ref("rpt_conversions_as_known") }}),
    newest as (
        select *
        from as_known
        qualify row_number() over (partition by quarter order by known_on desc) = 1
    )
select
    quarter,
    mqls,
    became_sal,
    became_sql,
    became_opportunity,
    became_customer,
    100.0 * became_sal / mqls as sal_percent,
    100.0 * became_sql / mqls as sql_percent,
    100.0 * became_opportunity / mqls as opportunity_percent,
    100.0 * became_customer / mqls as customer_percent,
    known_on
from newest
where mqls > 0
