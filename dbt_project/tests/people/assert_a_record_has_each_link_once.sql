-- HubSpot names a merged id in two properties. Counted twice, a link of one record
-- looks like a link of two.
{{ config(group="people") }}
select record_key, link
from {{ ref("int_people__links") }}
group by record_key, link
having count(*) > 1
