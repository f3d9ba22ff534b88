<?php
// This file is part of Moodle - https://moodle.org/
//
// Moodle is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// Moodle is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with Moodle.  If not, see <https://www.gnu.org/licenses/>.

/**
 * Settings, and the link to the report in the site administration.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

defined('MOODLE_INTERNAL') || die();

if ($hassiteconfig) {
    $settings = new admin_settingpage('local_asyncduplicate', new lang_string('pluginname', 'local_asyncduplicate'));
    $settings->add(new admin_setting_configtext(
        'local_asyncduplicate/concurrency',
        new lang_string('concurrency', 'local_asyncduplicate'),
        new lang_string('concurrency_desc', 'local_asyncduplicate'),
        \local_asyncduplicate\task\duplicate::DEFAULT_CONCURRENCY,
        PARAM_INT
    ));
    $settings->add(new admin_setting_configduration(
        'local_asyncduplicate/keep',
        new lang_string('keep', 'local_asyncduplicate'),
        new lang_string('keep_desc', 'local_asyncduplicate'),
        \local_asyncduplicate\local\reaper::DEFAULT_KEEP,
        DAYSECS
    ));
    $settings->add(new admin_setting_configcheckbox(
        'local_asyncduplicate/notify',
        new lang_string('notify', 'local_asyncduplicate'),
        new lang_string('notify_desc', 'local_asyncduplicate'),
        1
    ));
    $ADMIN->add('localplugins', $settings);
}

$ADMIN->add('courses', new admin_externalpage(
    'local_asyncduplicate_report',
    new lang_string('copiesinprogress', 'local_asyncduplicate'),
    new moodle_url('/local/asyncduplicate/index.php'),
    'local/asyncduplicate:viewall'
));
