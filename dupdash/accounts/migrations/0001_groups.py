"""Creates the groups of the three roles. Administrators assign people to them in Django's admin."""

from django.db import migrations

NAMES = ("Course administrators", "Faculty", "Help desk")


def make_groups(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for name in NAMES:
        Group.objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
