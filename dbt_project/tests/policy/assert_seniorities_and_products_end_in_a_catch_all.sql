-- Every title has a seniority and every trigger a product: the last row takes what is
-- left. A row behind it is never reached.
with
    words as (
        select 'seniorities.csv' as file, seniority_id as row_id, priority, pattern
        from {{ ref("seniorities") }}
        union all
        select 'products.csv' as file, product_id as row_id, priority, pattern
        from {{ ref("products") }}
    ),
    files as (select unnest(['seniorities.csv', 'products.csv']) as file),
    ends as (
        select
            files.file,
            min(words.priority) filter (where words.pattern is null) as catch_all_at,
            arg_max(words.row_id, words.priority) as last_row
        from files
        left join words on files.file = words.file
        group by files.file
    )
select
    file,
    coalesce(last_row, '(no row)') as row_id,
    'is the last row and does not take everything' as problem,
    'Add a row behind it with the highest priority and an empty pattern' as cure
from ends
where catch_all_at is null
union all
select
    words.file,
    words.row_id,
    printf(
        'is never reached: the row of priority %d comes first and takes everything',
        ends.catch_all_at
    ),
    'Give the row with the empty pattern the highest priority'
from words
inner join ends on words.file = ends.file
where words.priority > ends.catch_all_at
order by file, row_id
