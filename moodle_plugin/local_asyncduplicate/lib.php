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
 * Callbacks that Moodle looks up by name.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

/**
 * Adds the report to "Course reuse" of a course.
 *
 * @param settings_navigation $navigation
 * @param context $context of the page
 */
function local_asyncduplicate_extend_settings_navigation(settings_navigation $navigation, context $context): void {
    $context = $context->get_course_context(false);
    if (!$context || $context->instanceid == SITEID || !has_capability('moodle/backup:backupcourse', $context)) {
        return;
    }
    $parent = $navigation->find('coursereuse', navigation_node::TYPE_CONTAINER)
        ?: $navigation->find('courseadmin', navigation_node::TYPE_COURSE);
    if ($parent) {
        $parent->add(
            get_string('copiesinprogress', 'local_asyncduplicate'),
            new moodle_url('/local/asyncduplicate/index.php', ['id' => $context->instanceid]),
            navigation_node::TYPE_SETTING,
            null,
            'local_asyncduplicate',
            new pix_icon('t/copy', '')
        );
    }
}
