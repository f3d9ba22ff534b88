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
 * Web service functions: the two proposed in MDL-64916, and three companions.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

defined('MOODLE_INTERNAL') || die();

$functions = [
    'core_course_async_duplicate_course' => [
        'classname' => 'local_asyncduplicate\external\start',
        'description' => 'Starts the duplication of a course in the background and returns its id at once.',
        'type' => 'write',
        'capabilities' => 'moodle/backup:backupcourse, moodle/restore:restorecourse, moodle/course:create',
    ],
    'core_course_async_duplicate_course_get_status' => [
        'classname' => 'local_asyncduplicate\external\get_status',
        'description' => 'Returns phase, status and overall progress of one duplication.',
        'type' => 'read',
    ],
    'core_course_async_duplicate_course_get_statuses' => [
        'classname' => 'local_asyncduplicate\external\get_statuses',
        'description' => 'Returns phase, status, overall progress and queue position of many duplications, and when cron last ran.',
        'type' => 'read',
    ],
    'core_course_async_duplicate_course_get_result' => [
        'classname' => 'local_asyncduplicate\external\get_result',
        'description' => 'Returns how a duplication ended: the new course and a report, or the reason of the failure.',
        'type' => 'read',
    ],
    'core_course_async_duplicate_course_cancel' => [
        'classname' => 'local_asyncduplicate\external\cancel',
        'description' => 'Cancels a duplication that waits or runs, and removes everything it made.',
        'type' => 'write',
    ],
];
