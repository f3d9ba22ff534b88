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
 * Report: copies that wait, run and ended, of one course or of all.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

require_once(__DIR__ . '/../../config.php');
require_once($CFG->libdir . '/adminlib.php');

$courseid = optional_param('id', 0, PARAM_INT);
$page = optional_param('page', 0, PARAM_INT);

$url = new moodle_url('/local/asyncduplicate/index.php', $courseid ? ['id' => $courseid] : []);
$title = get_string('copiesinprogress', 'local_asyncduplicate');
if ($courseid) {
    $course = get_course($courseid);
    require_login($course, false);
    require_capability('moodle/backup:backupcourse', context_course::instance($courseid));
    $PAGE->set_url($url);
    $PAGE->set_pagelayout('admin');
    $PAGE->set_title($title);
    $PAGE->set_heading(format_string($course->fullname));
    $PAGE->set_secondary_active_tab('coursereuse');
} else {
    admin_externalpage_setup('local_asyncduplicate_report');
}
// The page shows what is going on now.
$PAGE->set_periodic_refresh_delay(15);

$copies = new \local_asyncduplicate\output\copies($courseid);
$count = $copies->count();

echo $OUTPUT->header();
if ($courseid) {
    echo $copies->reuse_menu($PAGE->settingsnav, $url);
}
echo $OUTPUT->heading($title);
echo $copies->cron();
if ($count) {
    echo $copies->table($page);
    echo $OUTPUT->paging_bar($count, $page, \local_asyncduplicate\output\copies::PER_PAGE, $url);
} else {
    echo $OUTPUT->notification(get_string('nocopies', 'local_asyncduplicate'), 'info', false);
}
echo $OUTPUT->footer();
