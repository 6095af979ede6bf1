-- An absence that ends before it begins keeps nobody away, and the rep on leave gets
-- leads.
select
    'absences.csv' as file,
    absence_id as row_id,
    printf('begins %s and ends %s', starts_at::varchar, ends_at::varchar) as problem,
    'Let ends_at be the first moment back at work, after starts_at' as cure
from {{ ref("absences") }}
where ends_at <= starts_at
order by absence_id
