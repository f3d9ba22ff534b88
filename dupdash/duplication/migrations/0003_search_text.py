from django.db import migrations, models

from dupdash.duplication.searching import folded

NAMES = ("fullname", "shortname", "source_fullname", "source_shortname", "failure_code", "failure_message")


def fill(apps, schema_editor):
    DuplicationJob = apps.get_model("duplication", "DuplicationJob")
    for job in DuplicationJob.objects.order_by().iterator(chunk_size=1000):
        text = folded("\n".join(getattr(job, name) for name in NAMES))
        DuplicationJob.objects.filter(pk=job.pk).update(search_text=text)


class Migration(migrations.Migration):
    dependencies = [("duplication", "0002_cache_table")]

    operations = [
        migrations.AddField("duplicationjob", "search_text", models.TextField(blank=True, default="", editable=False)),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
